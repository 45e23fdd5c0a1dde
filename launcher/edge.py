"""The composition root of `edge`: the embedded broker, ingest, shadow and command delivery in one process.

They share a process so that a PUBACK means a commit without any hop in between.
"""

import asyncio
import errno
import gc
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Protocol

import structlog

from iotsphere.errors import PortTaken
from iotsphere.infra.http import serve
from iotsphere.infra.postgres import Patience, Pool, wait_out
from launcher import process
from launcher.edge_http import edge_app
from launcher.edge_options import EdgeOptions
from launcher.edge_parts import Parts, open_pools
from launcher.stopping import unless_stopped

__all__ = ["EdgeOptions", "main", "run_edge"]

log = structlog.get_logger()

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


def main(options: EdgeOptions) -> None:
    """Run `edge` until SIGTERM or SIGINT."""
    process.run(lambda stop: run_edge(options, stop))


class Part(Protocol):
    """Something that runs beside the others."""

    def start(self) -> Awaitable[None] | None:
        """Begin; what is awaitable is awaited."""

    def stop(self) -> Awaitable[None]:
        """End."""


async def run_edge(options: EdgeOptions, stop: asyncio.Event) -> None:
    """Serve devices until ``stop`` is set. PostgreSQL and Valkey may come, go and come back.

    Raises:
        PortTaken: somebody else listens on one of our ports.
    """
    async with AsyncExitStack() as stack:
        parts = Parts(options, await open_pools(options, stack))
        stack.push_async_callback(parts.redis.aclose)
        http = await _serve_http(options, parts, stack)
        await unless_stopped(stop, _start(parts, options, stack))  # it waits for a PostgreSQL that may be away for long
        if not stop.is_set():
            broker = parts.broker
            log.info("edge is ready", mqtt=broker.port, wss=broker.wss_port, http=http, devices=len(parts.registry))
            if options.on_ready is not None:
                options.on_ready(broker.port, broker.wss_port or 0, http)
            await stop.wait()
        log.info("edge stops")


async def _start(parts: Parts, options: EdgeOptions, stack: AsyncExitStack) -> None:
    """Start everything, each before whoever needs it; the stack stops all in the opposite order, the broker first."""
    for pool in {options.dsn: parts.pools.registry, options.telemetry: parts.pools.telemetry}.values():
        await _warn_if_not_durable(pool)
    await _begin(stack, parts.guard, parts.bus, parts.latest)
    await parts.registry.load()
    await _begin(stack, parts.registry, parts.epochs, parts.subscriptions, parts.refusals, parts.presence, parts.telemetry)
    await _begin(stack, parts.cache, parts.announcer, parts.shadow, parts.shadow_history)
    await _begin(stack, parts.commands, parts.wakes, parts.replayer, parts.housekeeping, parts.signals)
    gc.collect()
    gc.freeze()  # the registry lives as long as we do: no collection need look at it again
    stack.push_async_callback(parts.broker.stop)
    await _listen(parts, options)


async def _begin(stack: AsyncExitStack, *parts: Part) -> None:
    for part in parts:
        if (starting := part.start()) is not None:
            await starting
        stack.push_async_callback(part.stop)


async def _listen(parts: Parts, options: EdgeOptions) -> None:
    try:
        await parts.broker.start(parts.lanes, parts.listener)
    except OSError as error:
        if parts.broker.arrivals.open:
            raise _port_taken(error, options.wss_port, "IOTSPHERE_WSS_PORT") from error
        raise _port_taken(error, options.mqtt_port, "IOTSPHERE_MQTT_PORT") from error


async def _serve_http(options: EdgeOptions, parts: Parts, stack: AsyncExitStack) -> int:
    """Serve health and metrics from the beginning to the very end; returns the port."""
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    app = edge_app(parts.health, parts.metrics)
    task = asyncio.create_task(serve(app, "127.0.0.1", options.http_port, stop, port.set_result), name="edge-http")

    async def end() -> None:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)
    await asyncio.wait({task, port}, return_when=asyncio.FIRST_COMPLETED)
    if not port.done():
        try:
            await task
        except OSError as error:
            raise _port_taken(error, options.http_port, "IOTSPHERE_EDGE_PORT") from error
    found: int = port.result()
    return found


def _port_taken(error: OSError, port: int, setting: str) -> Exception:
    return PortTaken(port, setting) if error.errno == errno.EADDRINUSE else error


async def _warn_if_not_durable(pool: Pool) -> None:
    """A PUBACK promises a commit that survives: say loudly when this server does not keep that. Waits until it is there."""

    async def look() -> list[str]:
        return [name for name in DURABLE if await pool.fetchval("select current_setting($1)", name) == "off"]

    off = await wait_out(Patience("PostgreSQL"), look)
    if off:
        log.error("PostgreSQL may LOSE readings that devices were told are stored: switch these settings on", off=off)
