import asyncio

import pytest

from cloud_api.passwords import PasswordChecker, hash_password
from iotsphere.errors import TooManyRequests


async def test_right_and_wrong() -> None:
    stored, checker = hash_password("correct horse"), PasswordChecker()
    assert "m=19456,t=2,p=1" in stored
    assert await checker.matches(stored, "correct horse")
    assert not await checker.matches(stored, "wrong horse")
    assert not await checker.matches(None, "no user has this password")
    assert not await checker.matches("not a hash", "x")


async def test_a_crowd_is_refused() -> None:
    stored, checker = hash_password("x"), PasswordChecker(parallel=1, waiting=2)
    answers = await asyncio.gather(*(checker.matches(stored, "x") for _ in range(5)), return_exceptions=True)
    assert answers[:3] == [True] * 3
    assert [type(a) for a in answers[3:]] == [TooManyRequests] * 2
    assert await checker.matches(stored, "x")


async def test_a_cancelled_wait_frees_its_place() -> None:
    stored, checker = hash_password("x"), PasswordChecker(parallel=1, waiting=0)
    task = asyncio.create_task(checker.matches(stored, "x"))
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequests):
        await checker.matches(stored, "x")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await checker.matches(stored, "x")
