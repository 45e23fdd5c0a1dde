"""Entity tags of shadows: the version in double quotes; and what the headers that hold them ask for (pure)."""

import re
from dataclasses import replace

from iotsphere.errors import InvalidInput, PreconditionFailed, PreconditionRequired
from shadow.expectation import Expectation

ANY = "*"
_VERSION = re.compile(r"[0-9]{1,18}\Z")
_TAG = re.compile(r'(W/)?"([^"]*)"\Z')


def etag(version: int) -> str:
    """The tag of a version."""
    return f'"{version}"'


def expectation(if_match: str | None, if_none_match: str | None = None, *, version: int | None = None) -> Expectation:
    """What a change is meant for.

    Args:
        if_match: a version that the caller has seen, or ``*`` for any document that there is.
        if_none_match: ``*`` for a document that there is not yet.
        version: from the body; must be the document's.

    Raises:
        InvalidInput: a header is no entity tag.
        PreconditionFailed: it is none that could be current: a weak one, or none of ours.
    """
    expected = Expectation(version=version)
    if if_none_match is not None:
        if if_none_match.strip() != ANY:
            raise InvalidInput("If-None-Match", "must be * for a change: it shall make a shadow that there is not yet")
        expected = replace(expected, exists=False)
    if if_match is None:
        return expected
    if if_match.strip() == ANY:
        return replace(expected, exists=True)
    return replace(expected, seen=_seen(if_match))


def require_condition(expected: Expectation) -> None:
    """Raises:
    PreconditionRequired: nothing is expected.
    """
    if expected == Expectation():
        raise PreconditionRequired(
            'a replacement overwrites what others have written: send If-Match with the version that you read, such as "7", '
            "or * for any, or If-None-Match: * to make a new one"
        )


def is_known(if_none_match: str | None, version: int) -> bool:
    """Whether a reader has this version already."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return version > 0 and (ANY in tags or etag(version) in tags)


def _seen(if_match: str) -> int:
    found = _TAG.match(if_match.strip())
    if found is None:
        raise InvalidInput("If-Match", 'must be one entity tag, such as "7", or *')
    if found[1] or not _VERSION.match(found[2]):
        raise PreconditionFailed(f"{if_match} is not the current version")
    return int(found[2])
