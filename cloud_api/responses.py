"""Helpers shared by the routes: the provenance header, and problems in the interface description."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TypeVar

from litestar import Response
from litestar.openapi import ResponseSpec

from cloud_api.errors import MEDIA_TYPE, Problem

T = TypeVar("T")
DATA_SOURCE = "X-Data-Source"


def marked(
    content: T, simulated: Iterable[bool], *, status_code: int = 200, headers: dict[str, str] | None = None
) -> Response[T]:
    """A response that says in a header when something of what it holds is simulated."""
    return Response(content, status_code=status_code, headers={**(headers or {}), **data_source(simulated)})


def data_source(simulated: Iterable[bool]) -> dict[str, str]:
    """The header of a response that holds such data."""
    return {DATA_SOURCE: "simulation"} if any(simulated) else {}


def sources(names: Iterable[str], *, simulated: bool = False) -> dict[str, str]:
    """The header of telemetry: the one source of all readings, such as ``device`` or ``simulation``, or ``mixed``.

    Args:
        simulated: whether the device is, which tells the source where there are no readings.
    """
    found = set(names) or {"simulation" if simulated else "device"}
    return {DATA_SOURCE: found.pop() if len(found) == 1 else "mixed"}


def problems(*codes: int, **told: str) -> dict[int, ResponseSpec]:
    """For a handler's ``responses``: the problems that it answers with beside 400, 401 and 503.

    Args:
        codes: status codes with nothing more to say than their name.
        told: what a code means here, as ``_410="the command ran out"``.
    """
    meanings = {code: HTTPStatus(code).phrase for code in (400, 401, *codes, 503)}
    meanings.update({int(code.removeprefix("_")): meaning for code, meaning in told.items()})
    return {code: _spec(meaning) for code, meaning in sorted(meanings.items())}


def _spec(meaning: str) -> ResponseSpec:
    return ResponseSpec(Problem, description=meaning, media_type=MEDIA_TYPE, generate_examples=False)
