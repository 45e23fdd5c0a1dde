"""A device stays light: it needs the base dependencies of the package, and no server's library."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SDK = ("device_sdk", "iotsphere")

# Whatever is not the standard library, the base dependencies or ours is not there, as on a device.
BARE = """
import sys

class Bare:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in {allowed!r}:
            raise ModuleNotFoundError(f"a device has no {{top}}", name=name)

sys.meta_path.insert(0, Bare())
sys.path.insert(0, {root!r})
"""
USE = """
import asyncio
from device_sdk import AioDevice, Batching, Device
from iotsphere.errors import InvalidInput
from iotsphere.devices import device_types

[declared, *_] = device_types().values()
files = dict(port=1, ca="ca", certificate="c", device_type=declared)
key = declared.measurements[0].key
with_threads = Device("t", key="t.key", **files)
with_threads.publish({key: 1.0})
with_threads.publish_all([{key: 2.0}, {key: 3.0}])
with_threads.event("hello")
try:
    with_threads.publish({"unheard_of": 1.0})
except InvalidInput as error:
    print(error.field)

async def tasks():
    with_tasks = AioDevice("a", key="a.key", encoding="msgpack", **files)
    await with_tasks.publish({key: 1.0})
    await with_tasks.close()
    return with_tasks.backlog

print(with_threads.backlog, asyncio.run(tasks()))
with_threads.close()
"""


def named(requirements: list[str]) -> set[str]:
    return {re.findall(r"^[\w-]+", text)[0] for text in requirements}


def run(program: str, directory: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    bare = BARE.format(allowed={"paho", "aiomqtt", "msgspec", *SDK, *more}, root=str(ROOT))
    return subprocess.run([sys.executable, "-c", bare + program], capture_output=True, text=True, check=False, cwd=directory)


def test_the_base_dependencies_are_what_the_test_allows() -> None:
    assert named(PROJECT["dependencies"]) == {"aiomqtt", "msgspec", "paho-mqtt"}


def test_both_faces_work_with_the_base_dependencies_alone(tmp_path: Path) -> None:
    done = run(USE, tmp_path)
    assert done.stderr == ""
    assert done.stdout == "values.unheard_of\n3 1\n"


@pytest.mark.parametrize("module", ["cryptography", "broker", "launcher", "pydantic"])
def test_nothing_of_the_cloud_is_there(module: str, tmp_path: Path) -> None:
    assert f"a device has no {module}" in run(f"import {module}", tmp_path).stderr


def test_the_platform_in_memory_needs_its_extra_alone(tmp_path: Path) -> None:
    extra = named(PROJECT["optional-dependencies"]["testing"])
    assert extra == {"asyncpg", "cryptography", "pytest", "structlog", "wsproto"}
    they_need = ("_cffi_backend", "_pytest", "py", "h11", "iniconfig", "packaging", "pluggy", "pygments")
    ours = ("broker", "certs", "ingest", "launcher", "shadow")
    done = run("import launcher.testing", tmp_path, *extra, *they_need, *ours)
    assert done.stderr == ""
