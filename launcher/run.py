"""`iotsphere run edge|cloud|demo`: settings become the options of a composition root. The roots load late: they are heavy."""

from certs.authority import open_authority
from certs.issue import ensure_server
from iotsphere.infra import logging
from iotsphere.settings import Settings
from launcher import process
from launcher.home import Home
from launcher.spawn import raise_file_limit
from launcher.where import endpoints

LOOPBACK_NAMES = ("localhost", "127.0.0.1")


def edge(settings: Settings) -> None:
    """Run `edge` until a signal."""
    from launcher.edge import EdgeOptions, main

    home = _home(settings, "edge")
    authority, where = open_authority(home.certs), endpoints(settings, home)
    certificate, key = ensure_server(authority, (*settings.public_host, *LOOPBACK_NAMES))
    main(
        EdgeOptions(
            dsn=where.dsn,
            telemetry_dsn=settings.telemetry_dsn,
            redis_url=where.redis_url,
            certificate=certificate,
            key=key,
            ca=authority.ca_file,
            data=home.root,
            host=settings.bind_host,
            mqtt_port=settings.mqtt_port,
            wss_port=settings.wss_port,
            wss_origins=own_origins(settings) | set(settings.wss_origins),
            http_port=settings.edge_port,
            node=settings.node,
            retention_days=settings.retention_days,
            letter_days=settings.dead_letter_days,
            letter_bytes=settings.dead_letter_mib << 20,
            shadow_history_days=settings.shadow_history_days,
            pending_bytes=settings.pending_bytes,
        )
    )


def cloud(settings: Settings) -> None:
    """Run `cloud` until a signal."""
    from launcher.cloud import CloudOptions, run_cloud

    home = _home(settings, "cloud")
    where = endpoints(settings, home)
    options = CloudOptions(
        home=home,
        dsn=where.dsn,
        telemetry_dsn=settings.telemetry_dsn or where.dsn,
        redis_url=where.redis_url,
        host=settings.bind_host,
        http_port=settings.http_port,
        mqtt_host=settings.public_host[0] if settings.public_host else "localhost",
        mqtt_port=settings.mqtt_port,
        jwt_secret=jwt_secret(home),
        retention_days=settings.retention_days,
    )
    process.run(lambda stop: run_cloud(options, stop))


def demo(settings: Settings) -> None:
    """Run the demonstration fleet until a signal."""
    from launcher.demo import run_demo

    home = _home(settings, "demo")
    where = endpoints(settings, home)
    process.run(lambda stop: run_demo(home, where, settings.demo_devices, stop))


def own_origins(settings: Settings) -> frozenset[str]:
    """The dashboard's, under each name of this machine."""
    names = (*settings.public_host, *LOOPBACK_NAMES)
    ports = (("http", 80), ("https", 443))  # which a browser leaves out
    return frozenset(
        f"{scheme}://{name}{'' if settings.http_port == usual else f':{settings.http_port}'}".lower()
        for name in names
        for scheme, usual in ports
    )


def jwt_secret(home: Home) -> bytes:
    """What access tokens are signed with."""
    return home.secret("jwt").encode()


def _home(settings: Settings, service: str) -> Home:
    logging.configure(settings.log_level, service=service)
    raise_file_limit()
    home = Home(settings.home)
    home.prepare()
    return home
