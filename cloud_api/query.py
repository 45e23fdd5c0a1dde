"""Query parameters that a route does not know are refused: a misspelt filter would be none, and nobody would see it."""

from functools import lru_cache
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from iotsphere.errors import InvalidInput


async def known_parameters(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of all routes.

    Raises:
        InvalidInput: the query holds what the route does not know.
    """
    known = names(handler)
    for name in connection.query_params:
        if name not in known:
            raise InvalidInput(name, f"is no parameter of this request; known: {', '.join(sorted(known)) or 'none'}")


@lru_cache(maxsize=1024)
def names(handler: BaseRouteHandler) -> frozenset[str]:
    """The query parameters that a route declares, as they are written."""
    declared = ((name, field.kwarg_definition) for name, field in handler.parsed_fn_signature.parameters.items())
    return frozenset(kwarg.name or name for name, kwarg in declared if isinstance(kwarg, QueryParameter))


def written(handler: BaseRouteHandler, name: str) -> str:
    """How the caller writes a parameter that the route's function knows by a name."""
    field = handler.parsed_fn_signature.parameters.get(name)
    return getattr(field.kwarg_definition, "name", None) or name if field else name
