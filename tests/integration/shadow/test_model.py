"""The shadow against a model of thirty lines: whatever devices and people do in whatever order, both come to the same."""

import asyncio
import copy
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis

from iotsphere.errors import Conflict, NotFound
from iotsphere.infra.postgres import make_pool
from iotsphere.topics import Dialect
from shadow.archive import Archive
from shadow.cache import connect
from shadow.expectation import Expectation
from tests.integration.shadow.parts import Cloud, Edge, make_cloud, make_edge, target
from tests.support.deliveries import add_devices
from tests.support.waiting import until

pytestmark = pytest.mark.integration
Json = dict[str, Any]
keys = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    st.booleans() | st.integers(0, 2) | st.sampled_from(["x", 1.5]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=4,
)
patches = st.dictionaries(keys, st.none() | values | st.dictionaries(keys, st.none() | values, max_size=2), max_size=3)
states = st.none() | st.fixed_dictionaries({}, optional={"desired": st.none() | patches, "reported": st.none() | patches})


class Model:
    """What a shadow is, without any of the ways in which ours is kept."""

    def __init__(self) -> None:
        self.version, self.exists = 0, False
        self.sections: Json = {}
        self.past: list[Json] = [{}]

    def update(self, state: Json | None) -> None:
        for name, patch in ({"desired": None, "reported": None} if state is None else state).items():
            self.sections[name] = {} if patch is None else self._merge(self.sections.get(name, {}), patch)
        self._next(True)

    def replace(self, desired: Json) -> None:
        self.sections["desired"] = desired
        self._next(True)

    def delete(self) -> None:
        self.sections = {}
        self._next(False)

    def _next(self, exists: bool) -> None:
        self.sections = {name: section for name, section in self.sections.items() if section}
        self.version, self.exists = self.version + 1, exists
        self.past.append(copy.deepcopy(self.sections))

    def _merge(self, old: Any, patch: Json) -> Json:
        merged = dict(old) if isinstance(old, dict) else {}
        for key, value in patch.items():
            merged[key] = self._merge(merged.get(key), value) if isinstance(value, dict) else value
        return {key: value for key, value in merged.items() if value is not None}


class Machine(RuleBasedStateMachine):
    """Steps of devices, in both dialects, and of people."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    edge: Edge
    cloud: Cloud
    archive: Archive
    redis: "Redis[Any]"
    numbers = iter(range(10**6))

    @initialize()
    def begin(self) -> None:
        self.model, self.name = Model(), f"s{next(self.numbers)}"
        self.edge.sender.connect("d1", 1, "iot/v1/d1/#", "$aws/things/d1/shadow/#")

    @rule(state=states, dialect=st.sampled_from(Dialect), guard=st.sampled_from([None, 0, -1]))
    def device_updates(self, state: Json | None, dialect: Dialect, guard: int | None) -> None:
        body: Json = {"state": state} | ({} if guard is None else {"version": self.model.version + guard})
        outcome, answer = self.ask("update", body, dialect)
        if guard:
            assert (outcome, answer["code"]) == ("rejected", 409)
        else:
            assert (outcome, answer["state"]) == ("accepted", state)
            self.model.update(state)
            assert answer["version"] == self.model.version

    @rule(dialect=st.sampled_from(Dialect))
    def device_gets(self, dialect: Dialect) -> None:
        outcome, answer = self.ask("get", b"", dialect)
        assert outcome == ("accepted" if self.model.exists else "rejected")
        if self.model.exists:
            assert {name: part for name, part in answer["state"].items() if name != "delta"} == self.model.sections
            assert answer["version"] == self.model.version

    @rule()
    def device_deletes(self) -> None:
        outcome, _ = self.ask("delete", b"", Dialect.AWS)
        assert outcome == ("accepted" if self.model.exists else "rejected")
        if self.model.exists:
            self.model.delete()

    @rule(patch=patches)
    def somebody_merges(self, patch: Json) -> None:
        self.run(self.cloud.desire(patch, name=self.name))
        self.model.update({"desired": patch})

    @rule(desired=st.dictionaries(keys, values, max_size=3), guard=st.sampled_from([None, 0, 1]))
    def somebody_replaces(self, desired: Json, guard: int | None) -> None:
        expected = Expectation(version=None if guard is None else self.model.version + guard)
        change = self.cloud.desire(desired, name=self.name, replace=True, expected=expected)
        if guard:
            with pytest.raises(Conflict):
                self.run(change)
        else:
            self.run(change)
            self.model.replace(desired)

    @rule()
    def somebody_deletes(self) -> None:
        change = self.cloud.service.delete(target(name=self.name), actor="ann")
        if self.model.exists:
            self.run(change)
            self.model.delete()
        else:
            with pytest.raises(NotFound):
                self.run(change)

    @rule()
    def redis_is_emptied(self) -> None:
        self.run(self.redis.flushall())

    @precondition(lambda self: self.model.version > 0)
    @rule(data=st.data())
    def somebody_looks_back(self, data: st.DataObject) -> None:
        version = data.draw(st.integers(1, self.model.version))
        found = self.run(self.archive.revision(("d1", self.name), version))
        assert {name: part for name, part in found.state.items() if name != "delta"} == self.model.past[version]

    @invariant()
    def both_are_the_same(self) -> None:
        found = self.run(self.cloud.service.get("d1", self.name)) if hasattr(self, "model") else None
        if found is None:
            assert not hasattr(self, "model") or self.model.version == 0
            return
        assert (found.version, found.exists) == (self.model.version, self.model.exists)
        assert {name: part for name, part in found.state.items() if name != "delta"} == self.model.sections
        assert found.progress.keys() == self.model.sections.get("desired", {}).keys()

    def ask(self, verb: str, body: Any, dialect: Dialect) -> tuple[str, Any]:
        sent, part = self.edge.sender.sent, f"/shadow/name/{self.name}/{verb}/"
        sent.clear()
        self.run(self.edge.request(verb, body, name=self.name, dialect=dialect))

        def answers() -> list[Any]:
            return [m for m in sent if part in m.topic and m.topic.rsplit("/", 1)[1] in ("accepted", "rejected")]

        self.run(until(answers, 10.0))
        [answer] = answers()
        assert answer.topic.startswith(dialect.value)
        return answer.topic.rsplit("/", 1)[1], answer.body


def test_the_shadow_does_what_the_model_does(migrated_dsn: str, valkey_url: str) -> None:
    with asyncio.Runner() as runner:
        runner.run(_against_the_model(migrated_dsn, valkey_url))


async def _against_the_model(dsn: str, url: str) -> None:
    """The machine is synchronous: it lives in a thread, and its steps in this loop."""
    loop = asyncio.get_running_loop()
    async with await make_pool(dsn, name="test") as pool, connect(url) as redis:
        await add_devices(pool, "d1")
        async with make_edge(pool, redis) as edge, make_cloud(pool, redis) as cloud:
            Machine.run = staticmethod(lambda step: asyncio.run_coroutine_threadsafe(step, loop).result(20))
            Machine.edge, Machine.cloud, Machine.archive, Machine.redis = edge, cloud, Archive(pool), redis
            profile = settings(
                max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
            )
            await asyncio.to_thread(run_state_machine_as_test, Machine, settings=profile)
