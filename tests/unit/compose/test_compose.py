"""compose/compose.yaml and its Dockerfile, as far as they can be judged without a Docker engine."""

import json
import re
import stat
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from iotsphere.settings import Settings

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose/compose.yaml").read_text())
SCHEMA = json.loads((ROOT / "tests/support/compose_spec/compose-spec.json").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("migrate", "edge", "cloud")
DOCKERFILE = (ROOT / "compose/Dockerfile").read_text()


def test_it_follows_the_compose_specification() -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(COMPOSE)


def test_the_schema_refuses_what_is_none_of_it() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SCHEMA).validate({"services": {"edge": {"healtcheck": {}}}})


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - {"migrate"}))
def test_whatever_stays_up_says_how_it_is(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    variables = {variable.removeprefix("IOTSPHERE_").lower() for variable in SERVICES[name]["environment"]}
    assert variables - Settings.model_fields.keys() == set()


def test_health_is_asked_where_it_is_told() -> None:
    for name, variable in (("edge", "IOTSPHERE_EDGE_PORT"), ("cloud", "IOTSPHERE_HTTP_PORT")):
        port = SERVICES[name]["environment"][variable]
        assert f"http://127.0.0.1:{port}/health/ready" in SERVICES[name]["healthcheck"]["test"][-1]


def test_everything_that_is_named_exists() -> None:
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
        assert set(service["networks"]) <= COMPOSE["networks"].keys()
        assert {volume.split(":")[0] for volume in service["volumes"]} <= COMPOSE["volumes"].keys()
        assert set(service.get("depends_on", {})) <= SERVICES.keys()


def test_only_healthy_neighbours_are_waited_for() -> None:
    for service in SERVICES.values():
        for neighbour, wanted in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if neighbour == "migrate" else "service_healthy"
            assert wanted["condition"] == expected


def test_the_databases_are_not_reached_from_outside() -> None:
    assert COMPOSE["networks"]["inside"]["internal"] is True
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["inside"]
        assert "ports" not in SERVICES[name]


def test_a_puback_means_committed_here_too() -> None:
    command = SERVICES["postgres"]["command"].split()
    assert {"fsync=on", "synchronous_commit=on", "full_page_writes=on"} <= set(command)


def test_no_password_stands_in_the_file() -> None:
    assert all(set(secret) == {"environment"} for secret in COMPOSE["secrets"].values())
    assert not [value for service in SERVICES.values() for value in _texts(service) if re.search(r"://[^/]*:[^/]*@", value)]


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [str(value)]


def test_images_are_pinned() -> None:
    stages = re.findall(r"^FROM .*?(\S+?)(?: AS (\w+))?$", DOCKERFILE, re.MULTILINE)
    used = [image for image, _ in stages] + [service["image"] for service in SERVICES.values()]
    assert stages[-1][1] == ""
    assert [image for image in used if not re.search(r":\d", image)] == []


def test_the_last_stage_is_no_root() -> None:
    last = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    users = re.findall(r"^USER (\S+)", last, re.MULTILINE)
    assert users
    assert users[-1] not in ("root", "0")


def test_what_the_dockerfile_copies_exists() -> None:
    copied = re.findall(r"^COPY (?:--chmod=\S+ )?([^-].*) \S+$", DOCKERFILE, re.MULTILINE)
    assert copied
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source


def test_the_entrypoint_can_be_run() -> None:
    script = ROOT / "compose/entrypoint.sh"
    assert script.stat().st_mode & stat.S_IXUSR
    assert script.read_text().startswith("#!/bin/sh\n")


def test_the_entrypoint_knows_the_secrets() -> None:
    assert set(re.findall(r"/run/secrets/([\w-]+)", (ROOT / "compose/entrypoint.sh").read_text())) == COMPOSE["secrets"].keys()
