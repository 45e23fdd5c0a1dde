"""What is wrong with the body of a request: msgspec stops at the first field, and whoever mends it wants to know all (pure)."""

import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, TypeGuard

import msgspec
from msgspec.structs import FieldInfo

BODY = "data"
"""What Litestar calls the body in its errors."""
MOST_ERRORS = 50
"""So many wrong fields are told of one request; whoever has more wrong asks again when he has mended these."""
_PATH = re.compile(r" - at `\$([^`]+)`\Z")


def wrong_fields(raw: object, shape: object) -> list[dict[str, str]]:
    """What is wrong with each field, as Litestar tells it of one: ``key``, the path, and ``message``, msgspec's words.

    Args:
        raw: the decoded JSON.
        shape: the type that it must have.

    Returns:
        At most MOST_ERRORS and one, which says that there are more; nothing when it is no object, or need be none.
    """
    if not isinstance(raw, dict) or not _is_object(shape):
        return []
    found = islice(chain(_fields(raw, shape), _unknown(raw, shape)), MOST_ERRORS + 1)
    return [{"key": key, "message": message} for key, message in found]


def fields_of(shape: object) -> dict[str, FieldInfo]:
    """The fields of a body by the names that callers write; none when it is no object, or any."""
    return {field.encode_name: field for field in msgspec.structs.fields(shape)} if _is_object(shape) else {}


def _is_object(shape: object) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(shape, type) and issubclass(shape, msgspec.Struct)


def _fields(raw: dict[str, Any], shape: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    for name, field in fields_of(shape).items():
        if name not in raw:
            if field.required:
                yield BODY, f"Object missing required field `{name}`"
            continue
        try:
            msgspec.convert(raw[name], field.type, strict=False, str_keys=True)
        except msgspec.ValidationError as error:
            message = str(error)
            within = _PATH.search(message)
            yield name + (within[1] if within else ""), _PATH.sub("", message)
            continue
        if (pattern := _pattern(field.type)) and not re.search(pattern, raw[name]):
            yield name, f"Expected `str` matching regex {pattern!r}"


def _pattern(shape: object) -> str | None:
    """Of a text: one that callers are told of, and that a service checks together with what else it knows."""
    metas = [meta for meta in getattr(shape, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]
    return next((extra["extra"].get("pattern") for meta in metas if (extra := meta.extra_json_schema) and "extra" in extra), None)


def _unknown(raw: dict[str, Any], shape: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    if shape.__struct_config__.forbid_unknown_fields:
        known = fields_of(shape)
        yield from ((BODY, f"Object contains unknown field `{name}`") for name in raw if name not in known)
