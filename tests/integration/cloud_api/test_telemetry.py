"""Telemetry in columns, newest values, and means that leave simulation out."""

from datetime import UTC, datetime, timedelta

from tests.support.cloud import TestCloud

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


async def test_columns_are_equally_long_with_gaps_where_nothing_was(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await cloud.readings("pump-1", "flow", {at(0): 1.0, at(2): 3.0})
    await cloud.readings("pump-1", "pressure", {at(1): 5.0, at(2): 6.0})
    await cloud.readings("pump-1", "undeclared", {at(2): 7.0})
    viewer = await cloud.member("viewer")
    start = round(NOON.timestamp() * 1000)
    for window in ("from=2026-03-01T12:00:00Z&to=2026-03-01T13:00:03%2B01:00", f"from={start}&to={start + 3000}"):
        answer = await viewer.get(f"/api/v1/telemetry/pump-1?{window}")
        assert answer.json() == {
            "device": "pump-1", "simulated": False, "from": start, "to": start + 3000,
            "unit": {"flow": "L/min", "pressure": "bar"}, "title": {"flow": "Flow", "pressure": "Pressure"},
            "resolution": "raw", "step_s": None, "aggregates": {},
            "columns": {
                "ts": [start, start + 1000, start + 2000],
                "flow": [1.0, None, 3.0], "pressure": [None, 5.0, 6.0], "undeclared": [None, None, 7.0],
            },
            "downsampled": False,
            "quality": {"undeclared": {"quality": "undeclared", "low": None, "high": None, "positions": None}},
        }  # fmt: skip
        assert answer.headers["x-data-source"] == "device"


async def test_the_end_is_exclusive_and_measurements_are_chosen(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    for name in ("flow", "pressure"):
        await cloud.readings("pump-1", name, {at(0): 1.0, at(1): 2.0})
    await cloud.readings("pump-1", "undeclared", {at(9): 1.0})
    query = {"from": at(0).isoformat(), "to": at(1).isoformat(), "measurements": "pressure,undeclared"}
    columns = (await (await cloud.member("viewer")).get("/api/v1/telemetry/pump-1", params=query)).json()["columns"]
    assert columns["pressure"] == [1.0]
    assert columns.keys() == {"ts", "pressure"}


async def test_many_points_are_thinned(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await cloud.readings("pump-1", "flow", {at(i): float(i % 7) for i in range(1000)})
    query = {"from": at(0).isoformat(), "to": at(1000).isoformat(), "max_points": "100"}
    answer = (await (await cloud.member("viewer")).get("/api/v1/telemetry/pump-1", params=query)).json()
    assert answer["downsampled"] is True
    assert 10 < len(answer["columns"]["ts"]) <= 100
    assert max(answer["columns"]["flow"]) == 6.0


async def test_readings_out_of_range_are_there_and_marked(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await cloud.readings("pump-1", "flow", {at(i): 999.0 if i == 70 else -5.0 if i == 130 else 100.0 for i in range(0, 180, 10)})
    await cloud.readings("pump-1", "pressure", {at(0): 2.0})
    viewer = await cloud.member("viewer")
    query = {"from": at(0).isoformat(), "to": at(180).isoformat()}
    raw = (await viewer.get("/api/v1/telemetry/pump-1", params=query)).json()
    assert raw["quality"] == {"flow": {"quality": "out_of_range", "low": 0, "high": 100, "positions": [7, 13]}}
    assert [raw["columns"]["flow"][at] for at in raw["quality"]["flow"]["positions"]] == [999.0, -5.0]
    minutes = (await viewer.get("/api/v1/telemetry/pump-1", params={**query, "resolution": "1m"})).json()
    assert (minutes["quality"]["flow"]["positions"], minutes["aggregates"]) == ([1, 2], {})
    many = (await viewer.get("/api/v1/telemetry", params={**query, "resolution": "1m"})).json()
    assert many["devices"][0]["quality"] == minutes["quality"]
    mean = (await viewer.get("/api/v1/telemetry/average", params={**query, "measurement": "flow"})).json()
    assert (mean["quality"], mean["included"]["readings"]) == (minutes["quality"]["flow"], 18)


async def test_a_burst_is_thinned_over_its_own_time_and_not_over_all_that_was_asked_for(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    await cloud.readings("pump-1", "flow", {at(1800 + 2 * i): 50.0 if i == 7 else float(i) for i in range(19)})
    query = {"from": at(0).isoformat(), "to": at(3600).isoformat(), "max_points": "5"}
    columns = (await (await cloud.member("viewer")).get("/api/v1/telemetry/pump-1", params=query)).json()["columns"]
    assert columns["flow"] == [0.0, 50.0, 9.0, 17.0, 18.0]


async def test_wrong_windows_are_named(cloud: TestCloud) -> None:
    await cloud.device("pump-1")
    viewer = await cloud.member("viewer")
    cases = [
        ("from=yesterday", "from"), ("to=2026-03-01T12:00:00", "to"),
        ("from=200000000000&to=200000000000", "from"), ("from=1769860800", "from"), ("to=1769860800", "to"),
        ("from=" + "9" * 30, "from"),
        ("to=99999-01-01", "to"), ("max_points=0", "max_points"), ("measurements=" + "x," * 101, "measurements"),
        ("measurements=flow,flwo", "measurements"), ("form=5", "form"),
    ]  # fmt: skip
    for query, field in cases:
        answer = await viewer.get(f"/api/v1/telemetry/pump-1?{query}")
        assert (answer.status_code, answer.json()["field"]) == (422, field), query


async def test_newest_values_and_simulation_is_marked(cloud: TestCloud) -> None:
    await cloud.device("pump-1", kind="simulated")
    await cloud.readings("pump-1", "flow", [1.0, 2.0])
    await cloud.parts.pool.execute("""update telemetry.telemetry set metadata = '{"source": "simulation"}'""")
    viewer = await cloud.member("viewer")
    answer = await viewer.get("/api/v1/telemetry/pump-1/latest")
    newest = answer.json()["latest"]["flow"]
    assert (newest["value"], newest["source"], newest["quality"]) == (2.0, "simulation", None)
    for path in ["telemetry/pump-1", "telemetry/pump-1/latest", "devices/pump-1", "devices", "test-pumps", "test-pumps/pump-1",
                 "devices/pump-1/shadow"]:  # fmt: skip
        assert (await viewer.get(f"/api/v1/{path}")).headers["x-data-source"] == "simulation", path
    assert (await viewer.get("/api/v1/devices/pump-1")).json()["stale"] is False


async def test_newest_values_name_their_source_as_readings_do(cloud: TestCloud) -> None:
    for device in ("own", "filled"):
        await cloud.device(device)
        await cloud.readings(device, "flow", [1.0])
        await cloud.readings(device, "pressure", [2.0])
    await cloud.parts.pool.execute(
        """update telemetry.telemetry set metadata = '{"source": "import"}'
           where device_id = 'filled' and measurement = 'pressure'"""
    )
    viewer = await cloud.member("viewer")
    for device, sources, header in (("own", ["device", "device"], "device"), ("filled", ["device", "import"], "mixed")):
        latest, readings = [await viewer.get(f"/api/v1/telemetry/{device}/{path}") for path in ("latest", "readings")]
        newest = {key: value["source"] for key, value in latest.json()["latest"].items()}
        assert newest == dict(zip(readings.json()["measurement"], readings.json()["source"], strict=True))
        assert newest == dict(zip(["flow", "pressure"], sources, strict=True))
        assert [answer.headers["x-data-source"] for answer in (latest, readings)] == [header] * 2
        shown = (await viewer.get(f"/api/v1/devices/{device}")).json()["latest"]
        assert {key: value["source"] for key, value in shown.items()} == newest


async def test_a_mixture_is_marked_too(cloud: TestCloud) -> None:
    await cloud.device("real")
    viewer = await cloud.member("viewer")
    assert "x-data-source" not in (await viewer.get("/api/v1/devices")).headers
    await cloud.device("simulated", kind="simulated")
    assert (await viewer.get("/api/v1/devices")).headers["x-data-source"] == "simulation"


async def test_means_leave_simulation_out_and_say_so(cloud: TestCloud) -> None:
    for name, kind, values in [("a", "device", [1.0, 2.0]), ("b", "device", [6.0]), ("sim", "simulated", [100.0, 200.0])]:
        await cloud.device(name, kind=kind)  # type: ignore[arg-type]
        await cloud.readings(name, "flow", {at(i): v for i, v in enumerate(values)})
    viewer = await cloud.member("viewer")
    query = {"measurement": "flow", "from": at(0).isoformat(), "to": at(60).isoformat()}
    answer = await viewer.get("/api/v1/telemetry/average", params=query)
    found = answer.json()
    assert (found["average"], found["unit"], found["simulated"]) == (3.0, "L/min", False)
    assert (found["resolution"], found["step_s"]) == ("1m", 60)
    assert found["columns"] == {
        "ts": [at(0).timestamp() * 1000], "average": [3.0], "min": [1.0], "max": [6.0], "count": [3],
    }  # fmt: skip
    assert (found["included"], found["left_out"]) == ({"devices": 2, "readings": 3}, {"devices": 1, "readings": 2})
    assert "x-data-source" not in answer.headers
    answer = await viewer.get("/api/v1/telemetry/average", params={**query, "include_simulated": True})
    assert (answer.json()["average"], answer.json()["left_out"]["devices"]) == (61.8, 0)
    assert answer.headers["x-data-source"] == "simulation"
    unknown = await viewer.get("/api/v1/telemetry/average", params={**query, "type": "other"})
    assert (unknown.status_code, unknown.json()["field"]) == (422, "type")
