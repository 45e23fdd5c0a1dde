"""Why a value is wrong, in words for people rather than for programmers (pure)."""

import re
from collections.abc import Sequence
from typing import Literal, get_args, get_origin

from iotsphere.identity import DEVICE_ID_RULE, ORGANIZATION_RULE

DEVICE_ID = "^(?!ca$)[A-Za-z0-9][A-Za-z0-9:._-]{0,63}(?!\\n)$"
ORGANIZATION_ID = "^[a-z0-9][a-z0-9-]{0,62}(?!\\n)$"
USER_NAME = "^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}(?!\\n)$"
_RULES = {
    DEVICE_ID: DEVICE_ID_RULE,
    ORGANIZATION_ID: ORGANIZATION_RULE,
    USER_NAME: "must be 1 to 128 of A-Z a-z 0-9 . _ @ + -, beginning with a letter or digit",
}
_KINDS = {
    "int": "must be a whole number",
    "float": "must be a number",
    "bool": "must be true or false",
    "str": "must be text",
    "object": "must be an object",
    "array": "must be a list",
}
_BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_BOUND = re.compile(r"Expected `(?:int|float)(?: \| null)?` (>=|<=|>|<) (\S+)\Z")
_LENGTH = re.compile(r"Expected `str(?: \| null)?` of length (>=|<=) (\d+)\Z")
_KIND = re.compile(r"Expected `(\w+)(?: \| null)?`, got ")


def options(shape: object) -> list[str]:
    """The texts that a type allows, such as ``Literal["a", "b"] | None``; none of a type that allows any."""
    if get_origin(shape) is Literal:
        return [str(option) for option in get_args(shape)]
    return next((found for part in get_args(shape) if (found := options(part))), [])


def told(message: str, allowed: Sequence[str] = ()) -> str:
    """What msgspec says of a value that may be one of ``allowed``; a text of another kind comes back as it is."""
    if allowed and message.startswith("Invalid enum value"):
        return f"must be one of {', '.join(allowed)}"
    if found := _BOUND.match(message):
        return f"must be {_BOUNDS[found[1]]} {float(found[2]):g}"
    if found := _LENGTH.match(message):
        return f"must be {_BOUNDS[found[1]]} {found[2]} characters long"
    if found := _KIND.match(message):
        return _KINDS.get(found[1], message)
    return next((rule for pattern, rule in _RULES.items() if repr(pattern) in message), message)
