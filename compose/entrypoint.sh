#!/bin/sh
# Puts the passwords into the addresses of PostgreSQL and Redis, so that no compose file and no `docker inspect` shows them.
# Passwords are letters and digits: they stand in a URL.
set -eu
if [ -r /run/secrets/postgres-password ]; then
    export IOTSPHERE_DSN="postgresql://iotsphere:$(cat /run/secrets/postgres-password)@postgres:5432/iotsphere"
fi
if [ -r /run/secrets/redis-password ]; then
    export IOTSPHERE_REDIS_URL="redis://:$(cat /run/secrets/redis-password)@redis:6379/0"
fi
exec "$@"
