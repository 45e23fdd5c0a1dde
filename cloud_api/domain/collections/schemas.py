"""Wire types of one device type's collection, made from its declaration."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar.openapi.spec import OpenAPIType, Schema

from cloud_api.domain.devices.schemas import LatestView
from iotsphere.devices._spec import DeviceType, Measurement, Property

_KINDS: dict[str, Any] = {"number": float, "integer": int, "boolean": bool, "string": str}
_COMMON: list[tuple[str, Any]] = [
    ("id", str),
    ("organization", str),
    ("simulated", bool),
    ("status", str),
    ("connected", bool),
    ("stale", bool | None),
    ("last_data_at", float | None),
]


@dataclass(frozen=True, slots=True)
class Views:
    """What the collection's routes take and give.

    Attributes:
        one: a member with what it reports and what is desired.
        page: members without that, in order of their ids.
        wanted: schema of a change: the writable properties.
    """

    one: Any
    page: Any
    wanted: Schema


def views(declared: DeviceType) -> Views:
    """The wire types of a type."""
    name = declared.key.title().replace("_", "")
    common = [*_COMMON, ("measurements", _struct(f"{name}Measurements", [_measurement(m) for m in declared.measurements]))]
    shadow = [
        ("properties", _struct(f"{name}Properties", [_property(p) for p in declared.properties])),
        ("desired", _struct(f"{name}Desired", [_property(p) for p in declared.properties if p.writable])),
        ("version", int),
    ]
    item = msgspec.defstruct(f"{name}Item", common, kw_only=True, frozen=True)
    return Views(
        one=msgspec.defstruct(name, [*common, *shadow], kw_only=True, frozen=True),
        page=msgspec.defstruct(
            f"{name}Page", [("items", list.__class_getitem__(item)), ("next_cursor", str | None)], frozen=True
        ),
        wanted=Schema(
            type=OpenAPIType.OBJECT,
            properties={p.key: _schema(p) for p in declared.properties if p.writable},
            additional_properties=False,
        ),
    )


def _struct(name: str, fields: list[tuple[str, Any]]) -> Any:
    """Optional fields; their names in Python do not matter, so that any name on the wire will do."""
    optional = [(f"f{i}", annotation | msgspec.UnsetType, msgspec.UNSET) for i, (_, annotation) in enumerate(fields)]
    rename = {f"f{i}": key for i, (key, _) in enumerate(fields)}
    return msgspec.defstruct(name, optional, kw_only=True, frozen=True, rename=rename)


def _measurement(declared: Measurement) -> tuple[str, Any]:
    return declared.key, Annotated[LatestView, msgspec.Meta(title=declared.title, description=_told(declared))]


def _property(declared: Property) -> tuple[str, Any]:
    return declared.key, Annotated[_KINDS[declared.kind], msgspec.Meta(title=declared.title, description=_told(declared))]


def _schema(declared: Property) -> Schema:
    return Schema(
        title=declared.title,
        description=_told(declared),
        type=[OpenAPIType(declared.kind), OpenAPIType.NULL],
        minimum=declared.low,
        maximum=declared.high,
        enum=[*declared.options, None] if declared.options else None,
    )


def _told(declared: Measurement | Property) -> str:
    bounds = [f"at least {declared.low:g}"] if declared.low is not None else []
    bounds += [f"at most {declared.high:g}"] if declared.high is not None else []
    return ", ".join([declared.unit] * bool(declared.unit) + bounds)
