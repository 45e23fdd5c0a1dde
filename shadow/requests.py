"""What devices ask of their shadow, taken apart and checked. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from iotsphere.errors import DeviceError
from iotsphere.messages import ShadowRequest, ShadowUpdate
from shadow.document import SECTIONS, decode

MAX_TOKEN_BYTES = 64
GUARDS = ("version", "desired_version", "reported_version")
"""Members of a request that must be the document's, when they are there."""


class Rejected(DeviceError):
    """The answer to a request is ``rejected``.

    Args:
        code: as in HTTP: 400 malformed, 404 no document, 409 another version, 413 too large, 415 not UTF-8.
        message: a sentence for the device's maker.
        told: members of the answer beside these, in our own dialect.
    """

    def __init__(self, code: int, message: str, told: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.told = told or {}


def token_of(payload: bytes) -> str | None:
    """The clientToken to echo, also of a request that is malformed elsewhere; None when there is no valid one."""
    try:
        token = _object(payload).get("clientToken")
    except Rejected:
        return None
    return token if _is_token(token) else None


def parse_request(payload: bytes) -> ShadowRequest:
    """A get or delete request; an empty payload means ``{}``.

    Raises:
        Rejected: malformed.
    """
    fields = _object(payload or b"{}")
    return ShadowRequest(clientToken=_token(fields), **_guards(fields))


def parse_update(payload: bytes) -> ShadowUpdate:
    """An update request. Fields that are not known are ignored beside ``state`` and refused inside it.

    Raises:
        Rejected: malformed.
    """
    fields = _object(payload)
    if "state" not in fields:
        raise Rejected(400, "missing required node: state")
    return ShadowUpdate(state=_state(fields["state"]), clientToken=_token(fields), **_guards(fields))


def _object(payload: bytes) -> dict[str, Any]:
    try:
        fields = decode(payload)
    except UnicodeDecodeError as error:
        raise Rejected(415, "the payload is not UTF-8") from error
    except RecursionError as error:
        raise Rejected(400, "the payload is nested too deeply") from error
    except msgspec.DecodeError as error:
        raise Rejected(400, f"the payload is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Rejected(400, "the payload is not a JSON object")
    return fields


def _state(state: Any) -> dict[str, Any] | None:
    if state is None:
        return None
    if not isinstance(state, dict):
        raise Rejected(400, "state must be an object")
    for name, section in state.items():
        if name not in SECTIONS:
            raise Rejected(400, f"state has an invalid node: {name[:64]!r}; it may hold desired and reported")
        if section is not None and not isinstance(section, dict):
            raise Rejected(400, f"state.{name} must be an object")
    return state


def _token(fields: dict[str, Any]) -> str | None:
    token = fields.get("clientToken")
    if token is not None and not _is_token(token):
        raise Rejected(400, f"clientToken must be a string of at most {MAX_TOKEN_BYTES} bytes")
    return token


def _is_token(token: Any) -> bool:
    return isinstance(token, str) and len(token.encode()) <= MAX_TOKEN_BYTES


def _guards(fields: dict[str, Any]) -> dict[str, int | None]:
    return {name: _version(name, fields.get(name)) for name in GUARDS}


def _version(name: str, version: Any) -> int | None:
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise Rejected(400, f"invalid {name}: it must be an integer")
    return version
