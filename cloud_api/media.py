"""Bodies come as JSON, and answers go as what the caller takes; everything else is refused instead of being taken for JSON."""

from functools import cache, lru_cache
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures.headers import Accept, MediaTypeHeader
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler

from cloud_api.body import BODY
from cloud_api.errors import MEDIA_TYPE as PROBLEM

JSON = "application/json"
OFFERS = "offers"
"""Key of a route's ``opt``: media types of its answer beside JSON."""
KEPT = 256  # Accept headers that are remembered: programs send the same one again and again


async def known_media(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of all routes.

    Raises:
        HTTPException: 406 when the answer would be nothing that the caller takes, 415 when the body says that it is no JSON.
    """
    accept = connection.headers.get("accept")
    if accept and not preferred(accept, (*(offers := offered(handler)), PROBLEM)):
        raise HTTPException(status_code=406, detail=f"the answer comes as {' or '.join(offers)}: Accept takes none of it")
    sent, wanted = media_type(connection.headers.get("content-type", "")), expected(handler)
    if sent and wanted and sent not in (JSON, wanted):
        headers = {"Accept-Patch": wanted} if connection.scope.get("method") == "PATCH" else None
        raise HTTPException(status_code=415, detail=f"the body is read as JSON: send Content-Type: {wanted}", headers=headers)


@lru_cache(KEPT)
def preferred(accept: str, offers: tuple[str, ...]) -> str | None:
    """The media type that a caller likes best, the first when he has no wish; None when he takes none of them."""
    if not accept.strip():
        return offers[0]
    # One with q=0 is what the caller does not take.
    wanted = [text for text in accept.split(",") if text.strip() and MediaTypeHeader(text.strip()).priority[0] > 0]
    return Accept(",".join(wanted)).best_match(list(offers))


def media_type(content_type: str) -> str:
    """Without its parameters."""
    return content_type.partition(";")[0].strip().lower()


@cache
def expected(handler: BaseRouteHandler) -> str | None:
    """What a route's body is declared to be, such as a merge patch; None where it takes none. Plain JSON always means that."""
    declared = handler.parsed_fn_signature.parameters.get(BODY)
    return None if declared is None else text_of(getattr(declared.kwarg_definition, "media_type", None))


def text_of(declared: object) -> str:
    """A media type as Litestar has it: an enumeration, a text, or nothing for JSON."""
    text = getattr(declared, "value", declared)
    return text if isinstance(text, str) and text else JSON


@cache
def offered(handler: BaseRouteHandler) -> tuple[str, ...]:
    """What a route answers with."""
    return tuple(dict.fromkeys([text_of(getattr(handler, "media_type", None)), *handler.opt.get(OFFERS, ())]))
