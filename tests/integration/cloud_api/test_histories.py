"""Histories as charts ask for them: how finely they come, of one device and of many."""

from typing import Any

import pytest

from ingest import retention_table
from ingest.partitions import Partitions
from ingest.periods import MINUTES
from ingest.roller import Roller
from ingest.rollup_marks import Marks
from tests.integration.cloud_api.test_telemetry import NOON, at
from tests.support.cloud import TestCloud

HOUR = 3600
DAY = {"from": at(0).isoformat(), "to": at(24 * HOUR).isoformat()}


async def lay(cloud: TestCloud, device: str, minutes: int, base: float = 0.0) -> None:
    """Two readings a minute: base + minute, and a peak of 1000 in minute 30."""
    values = {at(60 * n): base + n for n in range(minutes)}
    peaks = {at(60 * n + 30): 1000.0 if n == 30 else base + n for n in range(minutes)}
    await cloud.readings(device, "flow", {**values, **peaks})


async def get(cloud: TestCloud, path: str, **query: Any) -> dict[str, Any]:
    answer = await (await cloud.member("viewer")).get(f"/api/v1/telemetry{path}", params=query)
    assert answer.status_code == 200, answer.text
    return {**answer.json(), "source": answer.headers["x-data-source"]}


async def test_few_readings_come_as_they_are_whatever_the_stretch(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await lay(cloud, "pump-1", 60)
    found = await get(cloud, "/pump-1", **DAY)
    assert (found["resolution"], found["step_s"], len(found["columns"]["ts"])) == ("raw", None, 120)
    assert (found["title"], found["unit"], found["source"]) == ({"flow": "Flow"}, {"flow": "L/min"}, "device")
    assert found["aggregates"] == {}


async def test_buckets_have_the_width_that_is_asked_for_and_keep_their_peaks(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await lay(cloud, "pump-1", 60)
    found = await get(cloud, "/pump-1", **DAY, resolution="15m", aggregates="min,max,count,first,last,sum,avg")
    assert (found["resolution"], found["step_s"], found["downsampled"]) == ("15m", 900, True)
    assert found["columns"]["ts"] == [at(900 * n).timestamp() * 1000 for n in range(4)]
    assert found["columns"]["flow"] == [7.0, 22.0, pytest.approx(37 + 970 / 30), 52.0]
    of = {kind: columns["flow"] for kind, columns in found["aggregates"].items()}
    assert (of["max"], of["min"], of["count"]) == ([14.0, 29.0, 1000.0, 59.0], [0.0, 15.0, 30.0, 45.0], [30, 30, 30, 30])
    assert (of["first"][0], of["last"][0], of["sum"][0], of["avg"]) == (0.0, 14.0, 210.0, found["columns"]["flow"])


async def test_a_long_stretch_is_read_in_as_many_buckets_as_are_wanted(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await lay(cloud, "pump-1", 60)
    year = {"from": at(0).isoformat(), "to": at(365 * 24 * HOUR).isoformat()}
    found = await get(cloud, "/pump-1", **year, max_points=400)
    assert (found["resolution"], found["step_s"], len(found["columns"]["ts"])) == ("1d", 86400, 1)
    assert (await get(cloud, "/pump-1", **year, resolution="raw"))["resolution"] == "raw"


async def test_what_is_silent_has_no_bucket(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await cloud.readings("pump-1", "flow", {at(0): 1.0, at(3 * HOUR): 4.0})
    await cloud.readings("pump-1", "pressure", {at(HOUR): 9.0})
    found = (await get(cloud, "/pump-1", **DAY, resolution="1h"))["columns"]
    assert found["ts"] == [at(h * HOUR).timestamp() * 1000 for h in (0, 1, 3)]
    assert (found["flow"], found["pressure"]) == ([1.0, None, 4.0], [None, 9.0, None])


async def test_many_devices_come_in_one_answer_with_one_width(cloud: TestCloud) -> None:
    await cloud.organization("other")
    for name, kind, organization in [("a", "device", "default"), ("b", "simulated", "default"), ("c", "device", "other")]:
        await cloud.device(name, organization, kind)  # type: ignore[arg-type]
        await lay(cloud, name, 10, 100.0)
    found = await get(cloud, "", **DAY, resolution="5m", aggregates="max")
    assert [one["device"] for one in found["devices"]] == ["a", "b"]
    assert (found["resolution"], found["step_s"], found["source"]) == ("5m", 300, "mixed")
    assert found["devices"][0]["columns"]["flow"] == [102.0, 107.0]
    assert found["devices"][0]["aggregates"] == {"max": {"flow": [104.0, 109.0]}}
    assert [one["simulated"] for one in found["devices"]] == [False, True]
    found = await get(cloud, "", **DAY, devices="b", measurements="pressure")
    assert (found["devices"][0]["columns"], found["source"]) == ({"ts": []}, "simulation")
    assert (await get(cloud, "", **DAY, type="test_pump"))["devices"][1]["unit"] == {"flow": "L/min"}
    viewer = await cloud.member("viewer")
    for query, status in [("devices=a,c", 404), ("devices=a,nope", 404), ("type=x", 422), ("resolution=raw", 422)]:
        assert (await viewer.get(f"/api/v1/telemetry?{query}")).status_code == status, query


async def test_a_file_holds_the_readings_of_many_devices_by_device_and_time(cloud: TestCloud) -> None:
    for name in ("b", "a"):
        await cloud.device(name)
        await lay(cloud, name, 2)
    viewer = await cloud.member("viewer")
    answer = await viewer.get("/api/v1/telemetry", params=DAY, headers={"Accept": "text/csv"})
    lines = answer.text.splitlines()[1:]
    assert [line.split(",")[1] for line in lines] == ["a"] * 4 + ["b"] * 4
    assert answer.headers["content-disposition"] == 'attachment; filename="telemetry.csv"'
    wrong = await viewer.get("/api/v1/telemetry?resolution=1h", headers={"Accept": "text/csv"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "resolution")


async def test_a_new_owner_sees_none_of_the_buckets_of_the_last_one(cloud: TestCloud) -> None:
    await cloud.device("a", "demo")
    await cloud.device("b")
    for name in ("a", "b"):
        await lay(cloud, name, 60)
    pool = cloud.parts.pool
    await pool.execute(
        "insert into registry.device_owner (device_id, organization_id, \"from\") values ('a', 'default', $1)", at(1800)
    )
    await pool.execute("update registry.devices set organization_id = 'default' where id = 'a'")
    found = await get(cloud, "", **DAY, resolution="1h", aggregates="count")
    counts = [one["aggregates"]["count"]["flow"] for one in found["devices"]]
    assert counts == [[60], [120]]
    assert (await get(cloud, "/a", **DAY, resolution="1h", aggregates="count"))["aggregates"]["count"]["flow"] == [60]


async def test_where_readings_come_from_is_in_the_header(cloud: TestCloud) -> None:
    await cloud.device("a")
    await lay(cloud, "a", 2)
    await cloud.parts.telemetry_pool.execute(
        """update telemetry.telemetry set metadata = '{"source": "import"}' where timestamp = $1""", NOON
    )
    assert (await get(cloud, "/a", **DAY, resolution="1h"))["source"] == "mixed"
    assert (await get(cloud, "/a", **DAY, resolution="1m", measurements="pressure"))["source"] == "device"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("resolution=2m", "resolution"),
        ("aggregates=median", "aggregates"),
        ("max_points=0", "max_points"),
        ("from=2020-01-01T00:00:00Z&resolution=1m", "resolution"),
    ],
)
async def test_what_is_wrong_is_named(cloud: TestCloud, query: str, field: str) -> None:
    await cloud.device("a")
    viewer = await cloud.member("viewer")
    for path in ("/a", ""):
        answer = await viewer.get(f"/api/v1/telemetry{path}?{query}")
        assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_where_an_organization_has_let_its_readings_go_the_rollups_answer(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await cloud.readings("pump-1", "salt", {at(60 * n): float(n) for n in range(60)})
    pool = cloud.parts.telemetry_pool
    assert await Roller(pool, Marks(), Partitions(pool, None, period=MINUTES)).settle()
    async with pool.acquire() as connection:
        await retention_table.put(connection, "default", "raw", 2)
    await pool.execute("delete from telemetry.telemetry")
    for stretch in (DAY, {"from": at(0).isoformat(), "to": at(HOUR).isoformat()}):
        found = await get(cloud, "/pump-1", **stretch, measurements="salt")
        assert found["resolution"] != "raw"
        assert found["columns"]["salt"][-1] == pytest.approx(59, abs=5)
    wrong = await (await cloud.member("viewer")).get("/api/v1/telemetry/pump-1", params={**DAY, "measurements": "salty"})
    assert wrong.status_code == 422


async def test_buckets_of_a_chosen_width_are_bounded_over_all_devices(cloud: TestCloud) -> None:
    for n in range(10):
        await cloud.device(f"a-{n}")
    viewer = await cloud.member("viewer")
    week = {"from": at(0).isoformat(), "to": at(7 * 24 * HOUR).isoformat(), "aggregates": "min,max,count,sum,first,last"}
    answer = await viewer.get("/api/v1/telemetry", params={**week, "resolution": "1m"})
    assert (answer.status_code, answer.json()["field"]) == (422, "resolution")
    assert (await viewer.get("/api/v1/telemetry", params={**week, "resolution": "5m"})).status_code == 200
    assert (await viewer.get("/api/v1/telemetry", params={**week, "resolution": "1m", "devices": "a-1"})).status_code == 200
