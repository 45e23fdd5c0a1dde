"""Raw readings by page and as files: all of them, in order, and never too few without a sign."""

import asyncio
import csv
import io
import json
from datetime import timedelta

import httpx
import pytest

from ingest.export import Export, Form, Stretch
from tests.integration.cloud_api.test_telemetry import NOON, at
from tests.support.cloud import TestCloud
from tests.support.waiting import until

CSV, NDJSON = {"Accept": "text/csv"}, {"Accept": "application/x-ndjson"}
QUERY = {"from": at(0).isoformat(), "to": at(1000).isoformat()}


async def lay(cloud: TestCloud, device: str, seconds: int) -> None:
    """Two measurements a second."""
    await cloud.readings(device, "flow", {})
    await cloud.parts.telemetry_pool.execute(
        """insert into telemetry.telemetry select $1, $2::timestamptz + make_interval(secs => n), m, n + 0.5, null
           from generate_series(0, $3 - 1) n, unnest(array['flow', 'pressure']) m""",
        device, NOON, seconds,
    )  # fmt: skip


async def test_a_csv_file_holds_every_reading_with_unit_title_source_and_quality(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await cloud.readings("pump-1", "flow", {at(0.25): 1.5, at(1.000125): 1e20})
    await cloud.parts.telemetry_pool.execute(
        """insert into telemetry.telemetry values ('pump-1', $1, 'odd', null, '{"source": "import", "quality": "undeclared"}')""",
        at(2),
    )
    answer = await (await cloud.member("viewer")).get("/api/v1/telemetry/pump-1", params=QUERY, headers=CSV)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="pump-1.csv"'
    assert answer.headers["x-data-source"] == "device"
    assert answer.text.splitlines() == [
        "time,device,measurement,value,unit,title,source,quality",
        "2026-03-01T12:00:00.250Z,pump-1,flow,1.5,L/min,Flow,device,",
        "2026-03-01T12:00:01.000125Z,pump-1,flow,1e+20,L/min,Flow,device,",
        "2026-03-01T12:00:02.000Z,pump-1,odd,,,,import,undeclared",
    ]


async def test_lines_of_json_say_the_same(cloud: TestCloud) -> None:
    await cloud.device("pump-1", kind="simulated")
    await cloud.readings("pump-1", "flow", {at(0.25): 1.5})
    await cloud.parts.telemetry_pool.execute(
        """insert into telemetry.telemetry values ('pump-1', $1, 'odd', null, '{"quality": "undeclared"}')""", at(2)
    )
    answer = await (await cloud.member("viewer")).get("/api/v1/telemetry/pump-1", params=QUERY, headers=NDJSON)
    assert answer.headers["x-data-source"] == "simulation"
    first, second = [json.loads(line) for line in answer.text.splitlines()]
    assert first == {
        "ts": at(0.25).timestamp() * 1000, "device": "pump-1", "measurement": "flow", "value": 1.5,
        "unit": "L/min", "title": "Flow", "source": "device", "quality": None,
    }  # fmt: skip
    assert (second["value"], second["unit"], second["title"], second["quality"]) == (None, "", None, "undeclared")


@pytest.mark.parametrize(
    ("accept", "type"),
    [
        ("text/csv;q=0", "json"),
        ("text/csv;q=0, application/x-ndjson;q=0.1", "ndjson"),
        ("text/csv;q=0.5", "csv"),
        ("*/*", "json"),
    ],
)
async def test_a_form_that_is_ruled_out_does_not_come(cloud: TestCloud, accept: str, type: str) -> None:
    await cloud.device("pump-1")
    answer = await (await cloud.member("viewer")).get("/api/v1/telemetry/pump-1", params=QUERY, headers={"Accept": accept})
    assert answer.headers["content-type"].partition(";")[0].endswith(type)


@pytest.mark.parametrize("name", ['q"uo"te,d', "a\nb", "esc\x1b[31m", "back\\slash"])
async def test_a_name_of_any_characters_that_is_stored_shifts_no_column(cloud: TestCloud, name: str) -> None:
    await cloud.device("pump-1")
    await cloud.readings("pump-1", name, {at(0): 1.5})
    viewer = await cloud.member("viewer")
    [row] = csv.DictReader(io.StringIO((await viewer.get("/api/v1/telemetry/pump-1", params=QUERY, headers=CSV)).text))
    assert (row["measurement"], row["value"]) == (name, "1.5")
    [line] = (await viewer.get("/api/v1/telemetry/pump-1", params=QUERY, headers=NDJSON)).text.splitlines()
    assert json.loads(line)["measurement"] == name


async def test_pages_of_an_export_meet_without_a_gap_or_an_overlap(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await lay(cloud, "pump-1", 50)
    pool = cloud.parts.telemetry_pool
    stretch = Stretch("pump-1", at(1), at(49), {})

    async def text(form: Form, lines: int, measurements: list[str] | None) -> str:
        async with asyncio.timeout(20):  # pages that overlap may never end
            parts = [part async for part in Export(pool, lines=lines).stream(form, [stretch], measurements)]
        return b"".join(parts).decode()

    for lines in (1, 3, 100, 1000):
        rows = list(csv.DictReader(io.StringIO(await text("csv", lines, None))))
        assert [(row["time"], row["measurement"]) for row in rows] == sorted((row["time"], row["measurement"]) for row in rows)
        assert len(rows) == 96
        assert len((await text("ndjson", lines, ["flow"])).splitlines()) == 48


async def test_an_empty_file_has_its_header(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    viewer = await cloud.member("viewer")
    assert (await viewer.get("/api/v1/telemetry/pump-1", headers=CSV)).text.count("\n") == 1
    assert (await viewer.get("/api/v1/telemetry/pump-1", headers=NDJSON)).text == ""
    assert (await viewer.get("/api/v1/telemetry/nope", headers=CSV)).status_code == 404
    assert (await viewer.get("/api/v1/telemetry/pump-1", headers={"Accept": "*/*"})).json()["device"] == "pump-1"


async def test_a_misspelt_measurement_is_named_and_no_empty_file(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    viewer = await cloud.member("viewer")
    for path, headers in (("pump-1", CSV), ("pump-1/readings", {})):
        answer = await viewer.get(f"/api/v1/telemetry/{path}?measurements=flow,flwo", headers=headers)
        assert (answer.status_code, answer.json()["field"]) == (422, "measurements")


async def test_an_export_that_breaks_off_has_no_end(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await lay(cloud, "pump-1", 100_000)
    viewer = await cloud.member("viewer")
    query = {"from": at(0).isoformat(), "to": at(200_000).isoformat()}
    async with viewer.stream("GET", "/api/v1/telemetry/pump-1", params=query, headers=CSV) as answer:
        assert answer.status_code == 200
        parts = answer.aiter_raw()
        await anext(parts)
        await cloud.parts.telemetry_pool.execute("alter table telemetry.telemetry rename to elsewhere")
        with pytest.raises(httpx.RemoteProtocolError):
            async for _ in parts:
                pass


async def test_a_client_that_goes_away_or_takes_its_time_holds_no_connection(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await lay(cloud, "pump-1", 100_000)
    query = {"from": at(0).isoformat(), "to": at(200_000).isoformat()}
    viewer, pool = await cloud.member("viewer"), cloud.parts.telemetry_pool
    async with viewer.stream("GET", "/api/v1/telemetry/pump-1", params=query, headers=CSV) as answer:
        await anext(answer.aiter_raw())
        await until(lambda: pool.get_idle_size() == pool.get_size(), timeout=10)
        before = await pages_read(cloud)
        await asyncio.sleep(0.5)
        assert await pages_read(cloud) == before, "it reads on although nobody takes anything"
    await until(lambda: pool.get_idle_size() == pool.get_size(), timeout=10)
    before = await pages_read(cloud)
    await asyncio.sleep(0.5)
    assert await pages_read(cloud) == before


async def pages_read(cloud: TestCloud) -> int:
    """How often the index of the readings was looked into."""
    async with cloud.parts.telemetry_pool.acquire() as connection:  # the one that was used last: it tells what it has counted
        await connection.execute("select pg_stat_force_next_flush()")
        return int(
            await connection.fetchval(
                "select coalesce(sum(idx_scan), 0) from pg_stat_user_indexes where relname = 'telemetry_rest'"
            )
        )


async def test_raw_readings_come_by_page(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await lay(cloud, "pump-1", 10)
    await cloud.parts.telemetry_pool.execute(
        """update telemetry.telemetry set metadata = '{"source": "import"}' where timestamp = $1""", at(9)
    )
    viewer = await cloud.member("viewer")
    cursor, found, headers = "", [], set()
    while cursor is not None:
        answer = await viewer.get("/api/v1/telemetry/pump-1/readings", params={**QUERY, "limit": 8, "cursor": cursor})
        page = answer.json()
        headers.add(answer.headers["x-data-source"])
        found += list(zip(page["ts"], page["measurement"], page["value"], page["source"], strict=True))
        cursor = page["next_cursor"]
    assert [row[:3] for row in found] == [
        ((NOON + timedelta(seconds=n)).timestamp() * 1000, m, n + 0.5) for n in range(10) for m in ("flow", "pressure")
    ]
    assert [row[3] for row in found[-4:]] == ["device", "device", "import", "import"]
    assert headers == {"device", "mixed"}
    assert (page["unit"]["flow"], page["title"]["flow"]) == ("L/min", "Flow")
    for cursor in ("x", "1", "~flow", "9" * 30 + "~flow", "²~flow"):
        answer = await viewer.get("/api/v1/telemetry/pump-1/readings", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["field"]) == (422, "cursor")
