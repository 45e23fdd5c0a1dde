"""The identity in a certificate's URI name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotsphere.errors import InvalidInput
from iotsphere.identity import identity, parse_uri

ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,63}", fullmatch=True)
organizations = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)


@given(organizations, st.sampled_from(["device", "simulated", "service"]), ids)
def test_a_uri_is_read_back_as_it_was_built(organization: str, kind: str, id: str) -> None:
    made = identity(organization, kind, id)
    assert parse_uri(made.uri) == made


@pytest.mark.parametrize(
    "uri",
    [
        "iotsphere://a/robot/d",
        "iotsphere://a/device/",
        "iotsphere://a/device/d/e",
        "https://a/device/d",
        "iotsphere://A/device/d",
        "iotsphere://a/device/-d",
        "iotsphere://a/device/d\n",
    ],
)
def test_other_uris_are_refused(uri: str) -> None:
    with pytest.raises(InvalidInput):
        parse_uri(uri)
