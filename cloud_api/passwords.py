"""Password hashes: argon2id with 19 MiB, two passes, one lane (about 20 ms), in threads, a few at a time."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from iotsphere.errors import TooManyRequests

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Verified for users that do not exist, so that the answer takes equally long.
_NOBODY = _HASHER.hash("no user has this password")


def hash_password(password: str) -> str:
    """The text that registry.users keeps."""
    return _HASHER.hash(password)


class PasswordChecker:
    """Hashes off the event loop; at most ``parallel`` at once, at most ``waiting`` more wait, the others are refused."""

    def __init__(self, parallel: int = 2, waiting: int = 50) -> None:
        self._slots = asyncio.Semaphore(parallel)
        self._most, self._inside = parallel + waiting, 0

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password belongs to the hash. None (no such user) takes as long and is False.

        Raises:
            TooManyRequests: too many wait already.
        """
        if self._inside >= self._most:
            raise TooManyRequests("too many people sign in at this moment; try again")
        self._inside += 1
        try:
            async with self._slots:
                right = await asyncio.to_thread(_verify, stored or _NOBODY, password)
        finally:
            self._inside -= 1
        return right and stored is not None


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
