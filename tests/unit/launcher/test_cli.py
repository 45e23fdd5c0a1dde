"""What the command line itself says."""

import pytest

from iotsphere.errors import Misconfigured
from launcher import cli


def test_an_error_moves_no_cursor_whatever_text_it_brings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise Misconfigured("edge ended, the end of its log:\n  role \x1b[2J is unknown")

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit, match=str(cli.MUST_ACT)):
        cli.main()
    assert capsys.readouterr().err == "iotsphere: edge ended, the end of its log:\n  role \\u001b[2J is unknown\n"
