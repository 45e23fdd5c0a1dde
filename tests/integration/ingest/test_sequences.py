"""The account of sequence numbers, from messages to the table."""

import asyncio
import functools
import json
import random
from collections.abc import Iterable
from typing import Any

import pytest

from ingest import arrivals_table, dead_letters_table, losses_table, pipeline, sequences_table
from ingest.arrivals import Arrivals
from ingest.ledger import Ledger
from ingest.sequences import Account
from iotsphere.delivery import Delivery
from iotsphere.registry import DeviceRecord
from tests.support import servers
from tests.support.devices import delivery, thermometer
from tests.support.ingest import TestIngest, now_ms, running_ingest

pytestmark = pytest.mark.integration


def message(number: int, *, boot: str | int | None = "b1", repeated: bool = False, of: str = "t-1", **more: Any) -> Delivery:
    """A reading whose time and value follow from its number, so that a copy of it is a copy."""
    body = {"ts": now_ms() // 100_000 * 100_000 - 1_000_000 + number, "values": {"pulses": number}, "seq": number, **more}
    return delivery(body if boot is None else {**body, "boot": boot}, device=thermometer(of), repeated=repeated)


def messages(numbers: Iterable[int], **details: Any) -> list[Delivery]:
    return [message(n, **details) for n in numbers]


def counts(account: Account) -> dict[str, int]:
    return {name: getattr(account, name) for name in ("received", "missing", "declared", "repeated", "late")}


async def only(it: TestIngest, device: str = "t-1") -> Account:
    [row] = await it.accounts(device)
    return row.account


async def summed(it: TestIngest) -> dict[str, int]:
    """The columns that are kept for sums."""
    found = await sequences_table.totals(it.pool, None)
    return {name: getattr(found, name) for name in ("received", "missing", "declared", "repeated", "late")}


async def test_a_backlog_out_of_order_with_declared_losses(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        await it.pipeline.commit(messages(range(101, 111)))
        await it.pipeline.commit(messages(range(1, 50)))
        await it.pipeline.commit([message(111, dropped=[50, 89]), *messages([60, 112, 112])])
        account = await only(it)
        assert counts(account) == {"received": 62, "missing": 11, "declared": 39, "repeated": 1, "late": 50}
        assert list(account.holes()) == [(90, 100)]
        assert (account.lowest, account.highest) == (1, 112)
        assert await summed(it) == counts(account)
        await it.pipeline.commit(messages(range(90, 101)))
        assert counts(await only(it))["missing"] == 0
        assert await it.count() == 73


@pytest.mark.parametrize("seed", range(3))
async def test_any_order_in_any_batches_and_folds(migrated_dsn: str, valkey_url: str, seed: int) -> None:
    rng = random.Random(seed)
    async with running_ingest(migrated_dsn, valkey_url) as it:
        sent, declared, late, highest = list[int](), set[int](), 0, 0
        for _ in range(20):
            batch = []
            for _ in range(rng.randint(1, 20)):
                number = rng.randint(1, 250) if rng.random() < 0.5 else highest + rng.choice([1, 1, 1, 3])
                late += number < highest and number not in sent
                highest = max(highest, number)
                more = {}
                if rng.random() < 0.1:
                    first = rng.randint(1, 250)
                    more["dropped"] = [first, first + 3]
                    declared |= set(range(first, first + 4))
                sent.append(number)
                batch.append(message(number, repeated=rng.random() < 0.3, **more))
            await it.pipeline.commit(batch)
            if rng.random() < 0.3:
                await it.accounts()
        account, came = await only(it), set(sent)
        lost = declared - came
        span = set(range(min(came | declared), max(came) + 1))
        assert counts(account)["received"] == len(came)
        assert counts(account)["repeated"] == len(sent) - len(came)
        assert counts(account)["late"] == late
        assert await summed(it) == counts(account)
        assert counts(account)["missing"] + counts(account)["declared"] == len((span | lost) - came)
        assert set((await it.rows()).values()) == came


async def test_a_process_that_ends_before_it_folds_leaves_nothing_out(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        await it.pipeline.commit(messages(range(1, 101)))
        assert await it.pool.fetchval("select count(*) from telemetry.arrivals") == 1
    async with running_ingest(migrated_dsn, valkey_url) as it:
        assert await it.pool.fetchval("select count(*) from telemetry.arrivals") == 0
        await it.pipeline.commit(messages(range(95, 111), repeated=True))
        assert counts(await only(it)) == {"received": 110, "missing": 0, "declared": 0, "repeated": 6, "late": 0}
        assert await it.count() == 110


async def test_what_is_known_to_be_committed_is_acknowledged_without_writing(migrated_dsn: str, valkey_url: str) -> None:
    without_a_clock = [delivery({"values": {"pulses": n}, "seq": n, "boot": 7}, received_at=now_ms() + n) for n in range(10)]
    again = [delivery(d.payload, received_at=now_ms() + 5000, repeated=True) for d in without_a_clock]
    for _ in range(2):
        async with running_ingest(migrated_dsn, valkey_url) as it:
            await it.pipeline.commit(without_a_clock if await it.count() == 0 else again)
            await it.pipeline.commit(again)
            await it.pipeline.commit([delivery([_body(d) for d in again], repeated=True)])
            assert await it.count() == 10, "a reading without a time of its own would be another one at each arrival"
            assert await it.letters() == []


def _body(sent: Delivery) -> Any:
    return json.loads(sent.payload)


async def test_a_device_that_begins_again_under_an_old_name_loses_nothing(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts = now_ms() - 100_000
        for start in (0, 50_000):
            sent = [
                delivery({"ts": ts + start + n, "values": {"pulses": n}, "seq": n, "boot": "1"}, repeated=True) for n in range(5)
            ]
            await it.pipeline.commit(sent)
        assert await it.count() == 10
        assert counts(await only(it))["repeated"] == 5


async def test_a_session_without_a_boot_has_an_account_of_its_own(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        first, second = messages([1, 2, 4], boot=None), messages([1, 2], boot=None)
        for sent, session in ((first, 11), (second, 12)):
            await it.pipeline.commit([_in_session(d, session) for d in sent])
        rows = {row.session: row for row in await it.accounts()}
        assert {s: counts(row.account)["missing"] for s, row in rows.items()} == {11: 1, 12: 0}
        assert {row.boot for row in rows.values()} == {None}


def _in_session(sent: Delivery, session: int) -> Delivery:
    return Delivery(sent.device, sent.route, sent.topic, sent.payload, sent.qos, sent.maybe_repeated, sent.received_at, session)


async def test_messages_without_a_number_or_with_nonsense_for_one_are_stored_and_not_counted(
    migrated_dsn: str, valkey_url: str
) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        ts = now_ms()
        odd = [{}, {"seq": -1}, {"seq": 2**60}, {"seq": "x"}, {"seq": 1, "boot": ""}, {"seq": None, "dropped": [9, 3]}]
        await it.pipeline.commit(
            [delivery({"ts": ts + n, "values": {"pulses": n}, "boot": "b", **more}) for n, more in enumerate(odd)]
        )
        assert await it.count() == len(odd)
        assert [counts(row.account) for row in await it.accounts()] == []


async def test_an_account_tells_nothing_that_is_not_committed_and_is_exact_when_a_batch_is_split(
    migrated_dsn: str, valkey_url: str
) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        await it.pool.execute("alter table telemetry.telemetry add constraint odd check (value <> 13)")
        old = [
            delivery({"ts": now_ms() - 20 * 86_400_000 + n, "values": {"pulses": n}, "seq": n, "boot": "old"})
            for n in range(1, 4)
        ]
        await it.pipeline.commit([*messages(range(1, 31)), *old, delivery(b"?")])
        assert {row.boot: counts(row.account)["received"] for row in await it.accounts()} == {"b1": 30, "old": 3}
        assert sorted(category for _, _, category in await it.letters()) == ["store", "validation"]
        await it.pipeline.commit(messages(range(25, 41)))  # repeated without saying so: the copy fails and goes through staging
        assert counts({row.boot: row.account for row in await it.accounts()}["b1"]) == {
            "received": 40, "missing": 0, "declared": 0, "repeated": 6, "late": 0,
        }  # fmt: skip


async def test_what_cannot_be_kept_in_any_form_is_admitted(
    migrated_dsn: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters_table, "storable", lambda text: text)  # else every letter can be kept
    async with running_ingest(migrated_dsn, valkey_url) as it:
        await it.pipeline.commit([message(1), message(2, values={"a\0": 1, "pulses": 2})])
        assert await it.count() == 2
        assert await it.letters() == []
        assert await losses_table.count(it.pool, None) == await losses_table.count(it.pool, ["default"]) == 1
        assert await losses_table.count(it.pool, ["other"]) == 0
        assert counts(await only(it))["received"] == 2


async def test_a_commit_whose_outcome_is_not_known_counts_once(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        arrivals = Arrivals(keys=["default\x1ft-1\x1f0\x1fb1"], firsts=[1], lasts=[10], newest=[5])
        with it.pipeline._folding.without(arrivals):
            await it.pool.execute(arrivals_table.insertion(arrivals))
            assert await it.accounts() == []
            await it.pool.execute(arrivals_table.insertion(arrivals))
        assert counts(await only(it))["repeated"] == 0


async def test_two_that_fold_at_once_count_once(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as one, running_ingest(migrated_dsn, valkey_url) as other:
        for start in range(0, 400, 10):
            await one.pipeline.commit(messages(range(start, start + 10)))
        await asyncio.gather(one.accounts(), other.accounts(), one.accounts(), other.accounts())
        assert counts(await only(one)) == {"received": 400, "missing": 0, "declared": 0, "repeated": 0, "late": 0}


async def test_an_account_with_holes_everywhere_is_bounded_and_its_counts_stay_right(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        for start in range(0, 3000, 600):
            await it.pipeline.commit(messages(range(start, start + 600, 2)))
            await it.accounts()
        account = await only(it)
        assert counts(account) == {"received": 1500, "missing": 1499, "declared": 0, "repeated": 0, "late": 0}
        assert account.seen.ranges < 300
        assert await summed(it) == counts(account)
        await it.pipeline.commit(messages([0, 2, 2999], repeated=True))
        await it.accounts()
        assert await summed(it) == {"received": 1501, "missing": 1499, "declared": 0, "repeated": 2, "late": 2}
        assert await it.count() == 1501


async def test_runs_that_this_process_has_forgotten_are_looked_up(
    migrated_dsn: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "Ledger", functools.partial(Ledger, 8))
    async with running_ingest(migrated_dsn, valkey_url) as it:
        devices = [f"t-{n}" for n in range(50)]
        for start in (1, 11):
            for device in devices:
                await it.pipeline.commit(messages(range(start, start + 10), of=device))
            await it.accounts()
        await it.pipeline.commit([m for device in devices for m in messages([5, 20, 21], of=device, repeated=True)])
        for device in devices:
            assert counts((await it.accounts(device))[0].account) == {
                "received": 21, "missing": 0, "declared": 0, "repeated": 2, "late": 0,
            }  # fmt: skip


async def test_another_owner_begins_an_account_of_his_own(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        await it.pipeline.commit(messages([1, 2, 5]))
        sold = DeviceRecord("t-1", "other", "thermometer", "device", "active")
        await it.pipeline.commit([delivery(_body(m), device=sold) for m in messages([6, 7])])
        assert [counts(row.account)["missing"] for row in await it.accounts()] == [2]
        assert [counts(row.account) for row in await it.accounts(organization="other")] == [
            {"received": 2, "missing": 0, "declared": 0, "repeated": 0, "late": 0}
        ]


async def test_accounts_are_bounded_by_age_and_number(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        kept = sequences_table.KEPT_OF_A_DEVICE
        await it.pipeline.commit([message(1, boot=f"b{n}") for n in range(kept + 20)])
        await it.pipeline.commit([message(1, of="silent")])
        assert len(await it.accounts("silent")) == 1
        await it.pool.execute("update telemetry.sequences set heard_at = now() - interval '40 days' where device_id = 'silent'")
        await sequences_table.trim(it.pool, 31)
        assert await it.accounts("silent") == []
        assert len(await it.accounts()) == kept


async def test_metrics(migrated_dsn: str, valkey_url: str) -> None:
    async with running_ingest(migrated_dsn, valkey_url) as it:
        await it.pipeline.commit([*messages([1, 2, 5, 3, 3]), message(9, dropped=[6, 7])])
        await it.accounts()
        told = [counter._value.get() for counter in it.metrics._numbers]
        assert told == [5, 1, 1, 2]
        assert it.metrics.sequence_missing._value.get() == 2


@pytest.mark.slow
async def test_accounts_are_exact_when_postgresql_is_killed_in_the_middle_of_commits(
    own_postgres: servers.PostgresServer, valkey_url: str
) -> None:
    async with running_ingest(own_postgres.engine.admin_dsn, valkey_url) as it:
        sent = {"a": 0, "b": 0}
        running = True

        async def send(device: str) -> None:
            while running:
                await it.pipeline.commit(messages(range(sent[device] + 1, sent[device] + 51), of=device))
                sent[device] += 50

        tasks = [asyncio.create_task(send(device)) for device in sent]
        for _ in range(3):
            await asyncio.sleep(0.7)
            await asyncio.to_thread(own_postgres.kill)
            await asyncio.to_thread(own_postgres.restart_after_kill)
        await asyncio.sleep(1)
        running = False
        await asyncio.wait_for(asyncio.gather(*tasks), 30)
        for device, count in sent.items():
            account = await only(it, device)
            assert counts(account) == {"received": count, "missing": 0, "declared": 0, "repeated": 0, "late": 0}
            assert len(await it.rows(device)) == count
