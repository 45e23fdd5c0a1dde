from iotsphere.terminal import harmless, harmless_lines

FOREIGN = "a\x1b]52;c;eA==\x07b\x9b2Jc\u202ed"


def test_what_is_not_printable_is_spelled_out() -> None:
    assert harmless(FOREIGN) == "a\\u001b]52;c;eA==\\u0007b\\u009b2Jc\\u202ed"
    assert harmless("54.2 °C\r\n") == "54.2 °C\\u000d\\u000a"


def test_lines_and_tabs_stay() -> None:
    assert harmless_lines(f"one\n\ttwo {FOREIGN}\n") == f"one\n\ttwo {harmless(FOREIGN)}\n"
