"""Text from others on a terminal: control characters in it would move the cursor, change colours or write into the clipboard."""


def harmless(text: str) -> str:
    """What is not printable is spelled out, ends of lines too."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def harmless_lines(text: str) -> str:
    """The same of several lines; their ends and tabs stay."""
    return "\n".join("\t".join(map(harmless, line.split("\t"))) for line in text.split("\n"))
