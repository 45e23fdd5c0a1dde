"""Organizations on the wire."""

from datetime import datetime
from typing import Annotated

import msgspec

from cloud_api import reasons


class Organization(msgspec.Struct, kw_only=True, frozen=True):
    """A tenant."""

    id: str
    name: str
    created_at: datetime


class NewOrganization(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Its id is part of device certificates and never changes."""

    id: Annotated[str, msgspec.Meta(pattern=reasons.ORGANIZATION_ID)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
