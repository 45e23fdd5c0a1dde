"""The console script without the platform's packages."""

import builtins
from typing import Any

import pytest

from launcher import entry


def test_missing_packages_are_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_typer(name: str, *rest: Any) -> Any:
        if name == "launcher.cli":
            raise ModuleNotFoundError("No module named 'typer'", name="typer")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_typer)
    with pytest.raises(SystemExit, match=r"typer is missing\): install iotsphere\[cloud,embedded\]"):
        entry.main()


def test_ctrl_c_while_the_modules_load_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    real = builtins.__import__

    def interrupted(name: str, *rest: Any) -> Any:
        if name == "launcher.cli":
            raise KeyboardInterrupt
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", interrupted)
    with pytest.raises(SystemExit) as raised:
        entry.main()
    assert raised.value.code == 130
    assert capsys.readouterr() == ("", "")
