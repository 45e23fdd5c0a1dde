"""The bodies of shadow messages. Pure.

In AWS's dialect they hold what its clients know, and marks are timestamps alone; in our own they tell the versions of the
sections too.
"""

from collections.abc import Mapping
from typing import Any

from iotsphere.topics import Dialect
from shadow.document import Change, Document, Section, encode
from shadow.metadata import Mark, mark, pick, times

Body = dict[str, Any]


def with_token(body: Body, token: str | None) -> bytes:
    """As JSON, with the clientToken of the request that led to it, if it had one."""
    return encode(body if token is None else {**body, "clientToken": token})


def updated(document: Document, change: Change, dialect: Dialect) -> Body:
    """``update/accepted``: only what was asked for."""
    by = {"timestamp": document.timestamp} if dialect is Dialect.AWS else mark(document.timestamp, document.version)
    marked = {name: _marks(patch, by) for name, patch in (change or {}).items() if patch is not None}
    return {"state": change, "metadata": marked, **_versions(document, dialect), "timestamp": document.timestamp}


def got(document: Document, timestamp: int, dialect: Dialect = Dialect.OWN) -> Body:
    """``get/accepted``: the whole document, with the delta unless there is none."""
    body = _whole(document, dialect)
    if document.delta is not None:
        body["state"]["delta"] = document.delta
    return {**body, "timestamp": timestamp}


def deleted(document: Document) -> Body:
    """``delete/accepted``."""
    return {"version": document.version, "timestamp": document.timestamp}


def rejected(code: int, message: str, timestamp: int) -> Body:
    """``…/rejected``."""
    return {"code": code, "message": message, "timestamp": timestamp}


def current(document: Document) -> Body:
    """What a writer who came too late needs to try again."""
    return {"state": document.state, **_versions(document, Dialect.OWN)}


def delta(document: Document, dialect: Dialect) -> Body | None:
    """``update/delta``: everything that differs, not only what has just changed; None when nothing does."""
    difference = document.delta
    if difference is None:
        return None
    choose = times if dialect is Dialect.AWS else pick
    metadata = choose(document.metadata.get("desired", {}), difference)
    return {"state": difference, "metadata": metadata, **_versions(document, dialect), "timestamp": document.timestamp}


def documents(previous: Document | None, after: Document, dialect: Dialect) -> Body:
    """``update/documents``: before and after; ``previous`` is left out when it is not known any more."""
    known = {} if previous is None else {"previous": _whole(previous, dialect)}
    return {**known, "current": _whole(after, dialect), "timestamp": after.timestamp}


def _whole(document: Document, dialect: Dialect) -> Body:
    state, metadata = document.state, document.metadata
    if dialect is Dialect.AWS:
        metadata = {name: times(metadata.get(name, {}), section) for name, section in state.items()}
    return {"state": state, "metadata": metadata, **_versions(document, dialect)}


def _versions(document: Document, dialect: Dialect) -> Body:
    if dialect is Dialect.AWS:
        return {"version": document.version}
    return {
        "version": document.version,
        "desired_version": document.desired_version,
        "reported_version": document.reported_version,
    }


def _marks(patch: Mapping[str, Any], by: Mark) -> Section:
    return {key: _marks(value, by) if isinstance(value, Mapping) else by for key, value in patch.items() if value is not None}
