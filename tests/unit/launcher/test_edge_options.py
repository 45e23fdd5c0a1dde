from pathlib import Path

from launcher.edge_options import EdgeOptions


def options(**changes: str) -> EdgeOptions:
    file = Path("x")
    return EdgeOptions(dsn="main", redis_url="r", certificate=file, key=file, ca=file, data=file, **changes)  # type: ignore[arg-type]


def test_telemetry_lies_in_the_same_database_unless_told_otherwise() -> None:
    assert options().telemetry == "main"
    assert options(telemetry_dsn="other").telemetry == "other"
