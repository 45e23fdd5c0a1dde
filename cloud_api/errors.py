"""Every error as application/problem+json (RFC 9457), with the field that is wrong."""

import math
import re
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Any

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from cloud_api.body import BODY, MOST_ERRORS, fields_of, wrong_fields
from cloud_api.query import written
from cloud_api.reasons import options, told
from iotsphere.errors import (
    CallerError,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    TemporaryError,
    TooManyRequests,
    Unauthenticated,
)
from iotsphere.infra import postgres

MEDIA_TYPE = "application/problem+json"
STATUS_OF: Mapping[type[CallerError], int] = {
    InvalidInput: 422,
    NotFound: 404,
    Conflict: 409,
    PreconditionFailed: 412,
    PreconditionRequired: 428,
    Unauthenticated: 401,
    Forbidden: 403,
    TooManyRequests: 429,
}
AWAY = (TemporaryError, *postgres.AWAY, RedisConnectionError, RedisTimeoutError)
MOST_SEARCHED = 64 * 1024
"""Bytes of a body; in a larger one only the first wrong field is looked for, as the search takes time of everybody's."""
LONGEST = 500
"""Characters of a field's name or of a reason that are told: a caller may have written a megabyte of them."""
_MISSING = re.compile(r"[Mm]issing required (?:field|query parameter) [`'](\w+)[`']")
_UNKNOWN = re.compile(r"unknown field `([^`]+)`")
_log = structlog.get_logger(__name__)


class FieldProblem(msgspec.Struct, frozen=True):
    """One wrong field, as the caller wrote it."""

    field: str
    reason: str


class Problem(msgspec.Struct, kw_only=True, frozen=True):
    """The body of every error response; ``field`` is the first of ``errors``."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    field: str | None = None
    errors: Sequence[FieldProblem] = ()


def problem(
    status: int, detail: str, *, errors: Sequence[FieldProblem] = (), headers: Mapping[str, str] | None = None
) -> Response[Any]:
    """A problem response."""
    title, field = HTTPStatus(status).phrase, errors[0].field if errors else None
    body = Problem(title=title, status=status, detail=detail, field=field, errors=errors)
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def on_caller_error(_: Request[Any, Any, Any], error: CallerError) -> Response[Any]:
    """What the caller must change."""
    status = next((code for kind, code in STATUS_OF.items() if isinstance(error, kind)), 400)
    if isinstance(error, InvalidInput):
        return _wrong(status, (_cut(*wrong) for wrong in error.errors))
    if status == 401:
        return problem(status, str(error), headers={"WWW-Authenticate": "Bearer"})
    if isinstance(error, TooManyRequests) and error.retry_after_s is not None:
        return problem(status, str(error), headers={"Retry-After": str(max(1, math.ceil(error.retry_after_s)))})
    return problem(status, str(error) or HTTPStatus(status).phrase)


def on_away(_: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A neighbour does not answer now."""
    _log.warning("neighbour_away", error=repr(error))
    return problem(503, "a part of the platform does not answer now; try again", headers={"Retry-After": "2"})


def on_validation_error(request: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:
    """A body or parameter of the wrong shape."""
    entries = [e for e in (error.extra or [{"message": error.detail}]) if isinstance(e, dict)]
    return _wrong(422, (_field_problem(request, e) for entry in entries for e in _each(request, entry)))


def _wrong(status: int, fields: Iterable[FieldProblem]) -> Response[Any]:
    """The first MOST_ERRORS of them, and whether there are more."""
    found = list(islice(fields, MOST_ERRORS + 1))
    first = found[:MOST_ERRORS]
    detail = "; ".join(f"{f.field}: {f.reason}" for f in first)
    return problem(status, detail + ("; and more" if len(found) > len(first) else ""), errors=first)


def _each(request: Request[Any, Any, Any], error: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """All that is wrong with a body of which Litestar tells the first thing."""
    if error.get("source") != "body":
        return [error]
    declared = request.route_handler.parsed_fn_signature.parameters.get(BODY)
    if not declared or len(_at_once(request.body()) or b"") > MOST_SEARCHED:
        return [error]
    return wrong_fields(_at_once(request.json()), declared.annotation) or [error]


def _at_once(reading: Coroutine[Any, Any, Any]) -> Any:
    """The body, which has been read, so that there is nothing to wait for."""
    try:
        reading.send(None)
    except StopIteration as done:
        return done.value
    finally:
        reading.close()
    return None


def _field_problem(request: Request[Any, Any, Any], error: Mapping[str, Any]) -> FieldProblem:
    """What Litestar and msgspec tell; the name of a field that is missing or unknown is in the message alone."""
    key = "" if error.get("key") in (None, BODY) else str(error["key"])
    within = [written(request.route_handler, key)] if key else []
    message = str(error.get("message", ""))
    if message == "'data'":
        return _cut("body", "is missing")
    if named := _MISSING.search(message):
        return _cut(".".join([*within, named[1]]), "is missing")
    if named := _UNKNOWN.search(message):
        return _cut(".".join([*within, named[1]]), "is no field of this request")
    return _cut(".".join(within) or "body", told(message, _allowed(request, key)))


def _allowed(request: Request[Any, Any, Any], key: str) -> Sequence[str]:
    """The texts that a parameter, or a field of the body, may be; none when it is another kind."""
    declared = request.route_handler.parsed_fn_signature.parameters
    shape = declared[BODY].annotation if BODY in declared else None
    field = fields_of(shape).get(key)
    return options(declared[key].annotation if key in declared else field and field.type)


def _cut(field: str, reason: str) -> FieldProblem:
    return FieldProblem(*(text if len(text) <= LONGEST else text[:LONGEST] + "…" for text in (field, reason)))


def on_unstorable(_: Request[Any, Any, Any], error: asyncpg.DataError) -> Response[Any]:
    """A value that PostgreSQL cannot hold, such as a text with a NUL in it."""
    return problem(422, f"the request holds what cannot be stored: {error}")


def on_too_deep(_: Request[Any, Any, Any], __: RecursionError) -> Response[Any]:
    """JSON within JSON within JSON."""
    return problem(400, "the body is nested too deeply")


def on_no_text(request: Request[Any, Any, Any], error: UnicodeDecodeError) -> Response[Any]:
    """A body that is no UTF-8: msgspec tells it by another error than what else is wrong with JSON."""
    try:
        (_at_once(request.body()) or b"").decode()
    except UnicodeDecodeError as wrong:
        return problem(400, f"the body is no UTF-8: {wrong.reason} at byte {wrong.start}")
    return on_defect(request, error)


def on_http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Whatever Litestar raises itself."""
    return problem(error.status_code, error.detail, headers=error.headers)


def on_defect(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A mistake of ours: logged with its trace, told without details."""
    _log.error("unhandled_error", path=request.url.path, exc_info=error)
    return problem(500, "an error on our side; the log has the details")


HANDLERS: dict[int | type[Exception], Any] = {
    CallerError: on_caller_error,
    ValidationException: on_validation_error,
    HTTPException: on_http_error,
    asyncpg.DataError: on_unstorable,
    RecursionError: on_too_deep,
    UnicodeDecodeError: on_no_text,
    **dict.fromkeys(AWAY, on_away),
    Exception: on_defect,
}
