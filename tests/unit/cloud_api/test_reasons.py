from typing import Annotated

import msgspec
import pytest

from cloud_api import reasons
from iotsphere.identity import DEVICE_ID_RULE, ORGANIZATION_RULE


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (Annotated[int, msgspec.Meta(ge=1)], 0, "must be at least 1"),
        (Annotated[float, msgspec.Meta(le=60)] | None, 61.0, "must be at most 60"),
        (Annotated[float, msgspec.Meta(gt=0)], 0.0, "must be more than 0"),
        (Annotated[str, msgspec.Meta(min_length=8)], "x", "must be at least 8 characters long"),
        (int, "x", "must be a whole number"),
        (bool | None, "x", "must be true or false"),
        (Annotated[str, msgspec.Meta(pattern=reasons.DEVICE_ID)], "/", DEVICE_ID_RULE),
        (Annotated[str, msgspec.Meta(pattern=reasons.ORGANIZATION_ID)], "A", ORGANIZATION_RULE),
        (Annotated[str, msgspec.Meta(pattern="^x$")], "y", "Expected `str` matching regex '^x$'"),
    ],
)
def test_what_msgspec_says_is_said_in_words(kind: type, value: object, reason: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, kind)
    assert reasons.told(str(caught.value)) == reason
