"""Every test here runs on both event loops."""

import asyncio

import pytest
import uvloop

LOOPS = {"asyncio": asyncio.DefaultEventLoopPolicy, "uvloop": uvloop.EventLoopPolicy}


@pytest.fixture(params=LOOPS)
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    """`edge` runs on uvloop, whose transports differ in small ways."""
    policy: asyncio.AbstractEventLoopPolicy = LOOPS[request.param]()
    return policy
