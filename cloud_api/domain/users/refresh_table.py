"""All SQL of registry.refresh_tokens: hashes only, a family per sign-in."""

from datetime import datetime

from cloud_api.tenancy import Connection


async def insert(connection: Connection, token_hash: bytes, user: str, family: str, expires_at: datetime) -> None:
    """Keep a new token, and drop the user's old ones that have run out."""
    await connection.execute("delete from registry.refresh_tokens where user_id = $1 and expires_at < now()", user)
    await connection.execute(
        "insert into registry.refresh_tokens (token_hash, user_id, family, expires_at) values ($1, $2, $3, $4)",
        token_hash, user, family, expires_at,
    )  # fmt: skip


async def use(connection: Connection, token_hash: bytes, now: datetime) -> tuple[str, str, datetime] | None:
    """Mark the token as used: (user, family, end of the family), or None when it cannot be used (again)."""
    row = await connection.fetchrow(
        """update registry.refresh_tokens set used_at = $2 where token_hash = $1 and used_at is null and expires_at > $2
           returning user_id, family, expires_at""",
        token_hash, now,
    )  # fmt: skip
    return (row["user_id"], row["family"], row["expires_at"]) if row is not None else None


async def family_of_used(connection: Connection, token_hash: bytes) -> str | None:
    """The family of a token that was used before: somebody has a copy."""
    found = await connection.fetchval(
        "select family from registry.refresh_tokens where token_hash = $1 and used_at is not null", token_hash
    )
    return str(found) if found is not None else None


async def end_family(connection: Connection, family: str) -> None:
    """Every token of the sign-in is void from now on."""
    await connection.execute("delete from registry.refresh_tokens where family = $1", family)


async def end_user(connection: Connection, user: str) -> None:
    """Every sign-in of the user is void from now on."""
    await connection.execute("delete from registry.refresh_tokens where user_id = $1", user)
