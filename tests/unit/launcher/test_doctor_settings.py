"""What `iotsphere doctor` says of its environment."""

from iotsphere.settings import Settings
from launcher.doctor_settings import account, variables


def test_a_mistyped_setting_is_named_with_what_was_meant() -> None:
    (found,) = variables({"IOTSPHERE_HTTP_PORTS": "1", "IOTSPHERE_HOME": "/x", "PATH": ""})
    assert (found.level, found.found) == ("warn", "IOTSPHERE_HTTP_PORTS is no setting")
    assert "IOTSPHERE_HTTP_PORT?" in found.advice


def test_every_setting_is_known_in_either_case() -> None:
    names = [f"IOTSPHERE_{name.upper()}" for name in Settings.model_fields]
    assert variables([*names, "iotsphere_home", "IOTSPHERE_UI"]) == []


def test_root_hears_of_the_user_that_is_made() -> None:
    (found,) = account(Settings(dsn=""), 0)
    assert "iotsphere-postgres" in found.found
    assert account(Settings(dsn=""), 1000) == account(Settings(dsn="postgresql://elsewhere"), 0) == []
