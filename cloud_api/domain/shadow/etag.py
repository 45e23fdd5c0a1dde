"""Entity tags of shadows: the version in double quotes (pure)."""

import re

from iotsphere.errors import InvalidInput, PreconditionFailed

ANY = "*"
_TAG = re.compile(r'(W/)?"([^"]*)"\Z')


def etag(version: int) -> str:
    """The tag of a version."""
    return f'"{version}"'


def expected_version(if_match: str | None) -> int | str | None:
    """The version that a change is meant for: None for any, ANY for whichever there is.

    Raises:
        InvalidInput: the header is no entity tag.
        PreconditionFailed: it is none that could be current: a weak one, or none of ours.
    """
    if if_match is None or if_match.strip() == ANY:
        return None if if_match is None else ANY
    found = _TAG.match(if_match.strip())
    if found is None:
        raise InvalidInput("If-Match", 'must be one entity tag, such as "7", or *')
    if found[1] or not found[2].isascii() or not found[2].isdigit():
        raise PreconditionFailed(f"{if_match} is not the current version")
    return int(found[2])
