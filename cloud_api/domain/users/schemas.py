"""Sign-in and users on the wire."""

from datetime import datetime
from typing import Annotated

import msgspec

from cloud_api import reasons
from cloud_api.auth import Role

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
NewPassword = Annotated[str, msgspec.Meta(min_length=8, max_length=1024)]
UserName = Annotated[str, msgspec.Meta(pattern=reasons.USER_NAME)]


class LoginRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Name and password."""

    user: Text
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class RefreshRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A refresh token; good for one use."""

    refresh_token: Text


class User(msgspec.Struct, kw_only=True, frozen=True):
    """Who is signed in."""

    id: str
    role: Role
    organization: str
    all_organizations: bool


class Session(msgspec.Struct, kw_only=True, frozen=True):
    """Tokens of a sign-in; ``expires_in`` in seconds, of the access token."""

    access_token: str
    expires_in: int
    refresh_token: str
    user: User


class Account(msgspec.Struct, kw_only=True, frozen=True):
    """A user as an admin sees him."""

    id: str
    role: Role
    organization: str
    all_organizations: bool
    disabled: bool
    created_at: datetime


class AccountList(msgspec.Struct, frozen=True):
    """In order of their names."""

    items: list[Account]


class NewAccount(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A user to add; to the admin's own organization unless another one is named."""

    id: UserName
    password: NewPassword
    role: Role
    organization: str | None = None
    all_organizations: bool = False


class AccountChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What shall be otherwise; a field that is absent stays as it is."""

    password: NewPassword | None = None
    role: Role | None = None
    disabled: bool | None = None
