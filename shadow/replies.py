"""The bodies of shadow messages, in the shapes that AWS clients know. Pure."""

from typing import Any

from shadow.document import Change, Document, Section, encode, pick, stamp


def with_token(body: dict[str, Any], token: str | None) -> bytes:
    """As JSON, with the clientToken of the request that led to it, if it had one."""
    return encode(body if token is None else {**body, "clientToken": token})


def updated(document: Document, change: Change) -> dict[str, Any]:
    """``update/accepted``: only what was asked for."""
    stamped = {name: stamp({}, None, patch, document.timestamp) for name, patch in (change or {}).items() if patch is not None}
    return {"state": change, "metadata": stamped, "version": document.version, "timestamp": document.timestamp}


def got(document: Document, timestamp: int) -> dict[str, Any]:
    """``get/accepted``: the whole document, with the delta unless there is none."""
    state: dict[str, Section] = document.state
    metadata = dict(document.metadata)
    if (difference := document.delta) is not None:
        state["delta"] = difference
    return {"state": state, "metadata": metadata, "version": document.version, "timestamp": timestamp}


def deleted(document: Document) -> dict[str, Any]:
    """``delete/accepted``."""
    return {"version": document.version, "timestamp": document.timestamp}


def rejected(code: int, message: str, timestamp: int) -> dict[str, Any]:
    """``…/rejected``."""
    return {"code": code, "message": message, "timestamp": timestamp}


def delta(document: Document, timestamp: int) -> dict[str, Any] | None:
    """``update/delta``: everything that differs, not only what has just changed; None when nothing does."""
    difference = document.delta
    if difference is None:
        return None
    metadata = pick(document.metadata.get("desired", {}), difference)
    return {"state": difference, "metadata": metadata, "version": document.version, "timestamp": timestamp}


def documents(previous: Document | None, current: Document, timestamp: int) -> dict[str, Any]:
    """``update/documents``: before and after; ``previous`` is left out when it is not known any more."""
    known = {} if previous is None else {"previous": _whole(previous)}
    return {**known, "current": _whole(current), "timestamp": timestamp}


def _whole(document: Document) -> dict[str, Any]:
    return {"state": document.state, "metadata": document.metadata, "version": document.version}
