"""Each module has a test that is named after it (or after its folder) or imports it, or stands here with the reason why not."""

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from tests.support import tree

TIERS = ("unit", "contract", "integration", "e2e")
# Pattern of paths: what tests them instead.
TESTED_OTHERWISE: dict[str, str] = {
    "broker/subscription_table.py": "integration/broker/test_subscriptions.py, through the store above it",
    "cloud_api/domain/*/*.py": "over HTTP in integration/cloud_api: test_roles.py calls every operation",
    "cloud_api/live_*.py": "over Socket.IO in integration/cloud_api/test_live.py",
    "cloud_api/outer.py": "its headers and answers in integration/cloud_api/test_service.py",
    "cloud_api/responses.py": "in every answer of integration/cloud_api",
    "device_sdk/base.py": "both clients in integration/device_sdk/test_clients.py stand on it",
    "device_sdk/bells.py": "the client with threads in integration/device_sdk/test_clients.py",
    "device_sdk/*link.py": "both clients in integration/device_sdk/test_clients.py stand on them",
    "device_sdk/*writer.py": "both clients in integration/device_sdk/test_restart.py keep with them",
    "ingest/boots_table.py": "integration/ingest/test_pipeline.py sends from devices without a clock",
    "ingest/export_reads.py": "integration/cloud_api/test_export.py, through the reader above it",
    "ingest/imports_table.py": "integration/ingest/test_importing.py, through the importer above it",
    "ingest/telemetry_reads.py": "integration/ingest/test_history.py and test_latest.py, through the readers above it",
    "iotsphere/infra/logging.py": "a library is set up, nothing is decided",
    "launcher/cli*.py": "commands: run as such in e2e/test_up.py",
    "launcher/enrol_table.py": "integration/launcher/test_enrol.py, through what is above it",
    "launcher/doctor_*.py": "e2e/test_up.py asks the doctor",
    "launcher/cloud.py": "e2e/test_up.py starts it",
    "launcher/demo.py": "e2e/test_up.py hears the demo fleet speak",
    "launcher/users.py": "e2e/test_up.py adds a user and signs in",
    "launcher/up.py": "e2e/test_up.py",
    "launcher/background.py": "e2e/test_up.py starts detached",
    "launcher/greeting.py": "words for people",
    "launcher/loopback.py": "e2e/test_up.py, through every start",
    "launcher/ourselves.py": "e2e/test_up.py, through every start",
    "launcher/mqtt_refusal.py": "its answer in e2e/test_up.py",
    "launcher/mqtt_client.py": "e2e/test_up.py listens and publishes with it",
    "launcher/mqtt_permission.py": "e2e/test_up.py is refused by it",
    "launcher/plan.py": "e2e/test_up.py, through every start",
    "launcher/spawn.py": "integration/launcher/test_supervisor.py kills the parent",
    "migrations/*.py": "every test with a database runs them",
    "simulator/device.py": "integration/simulator/test_fleet.py runs fleets of it",
    "simulator/terminal.py": "pictures for people",
}


DEVICE_TYPES = Path("iotsphere/devices")  # contract/test_device_types.py holds each of them to its promises


def test_every_module_has_a_test() -> None:
    assert sorted(str(path) for path in _untested() if _exempted_by(path) is None) == []


def test_every_exemption_is_needed() -> None:
    used = {_exempted_by(path) for path in _untested()}
    assert sorted(TESTED_OTHERWISE.keys() - used) == []


def _untested() -> set[Path]:
    test_files = [path for path in tree.tests() if path.parts[1] in TIERS]
    imported = _imported_by(path for path in tree.tests() if path.parts[1] in (*TIERS, "support"))
    named = {(path.parts[2], path.stem) for path in test_files if len(path.parts) > 3}
    return {
        path
        for path in tree.sources()
        if _has_code(path)
        and path.parent != DEVICE_TYPES
        and tree.module_name(path) not in imported
        and not any(_is_named_after(path, test) for test in named)
    }


def _imported_by(test_files: Iterable[Path]) -> set[str]:
    """What they import, and what a package that they import passes on under its own name."""
    imported = set().union(*map(tree.imports, test_files))
    fronts = [path for path in tree.sources() if path.name == "__init__.py" and tree.module_name(path) in imported]
    return imported.union(*map(tree.imports, fronts))


def _is_named_after(path: Path, test: tuple[str, str]) -> bool:
    """Whether a test file (package, name) is for this module or for the folder that it lies in, such as `domain/<name>`."""
    package, stem = test
    subjects = {path.stem, path.parent.name} - {package}
    return package == path.parts[0] and any(f"{stem}_".startswith(f"test_{subject}_") for subject in subjects)


def _has_code(path: Path) -> bool:
    return any(True for _ in tree.functions(path))


def _exempted_by(path: Path) -> str | None:
    return next((pattern for pattern in TESTED_OTHERWISE if fnmatch(str(path), pattern)), None)
