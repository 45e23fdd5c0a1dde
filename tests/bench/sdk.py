"""The device SDK: how fast its durable outbox takes readings and brings them to the platform, and whether it loses any."""

from tests.bench.child import child
from tests.bench.sdk_kills import Kills
from tests.bench.stage import Stage

SECONDS = 6.0
THREADS = 16
KILLS = 20
ONE_BY_ONE, BATCHED, KILLED = "sdk-one", "sdk-many", "sdk-killed"


class Sdk:
    """The part `sdk`."""

    def __init__(self, the: Stage) -> None:
        self._the = the
        self._directory = the.certificates / "sdk"

    async def run(self) -> None:
        """Rates, then kills."""
        the, figures = self._the, self._the.figures
        for device in (ONE_BY_ONE, BATCHED):
            the.platform.device(device, the.device_type.key, self._directory)
        figures.say(f"sdk: {THREADS} threads of one device publish for {SECONDS:g} s, one by one and batched …")
        rows = [await self._rate(ONE_BY_ONE, batched=False), await self._rate(BATCHED, batched=True)]
        figures.table("Device SDK, readings a second", ("how", "taken by publish()", "acknowledged"), rows)
        for name, (_, taken, acknowledged) in zip(("messages", "readings"), rows, strict=True):
            figures.add(f"sdk.{name}_per_s", taken)
            figures.add(f"sdk.acknowledged_{name}_per_s", acknowledged)
        await self._kills()

    async def _rate(self, device: str, *, batched: bool) -> tuple[str, float, float]:
        the = self._the
        job = {
            "directory": str(self._directory), "device": device, "measurement": the.readings[0].key,
            "threads": THREADS, "seconds": SECONDS, "batched": batched,
        }  # fmt: skip
        async with child("tests.bench.sdk_rates", job) as publishing:
            await publishing.at("connected")
            done = await publishing.finish()
        stored = await the.connection.fetchval("select count(*) from telemetry.telemetry where device_id = $1", device)
        the.figures.check(stored == done["readings"], f"{device}: {done['readings']} were acknowledged, {stored} are stored")
        return device, done["readings"] / done["taken_s"], done["readings"] / done["acknowledged_s"]

    async def _kills(self) -> None:
        figures = self._the.figures
        figures.say(f"sdk: kill -9 of a device and of edge, {KILLS} times each …")
        outcome = await Kills(self._the.platform, self._directory, KILLED, figures.say).run(KILLS, KILLS)
        figures.add("sdk.published", outcome.published)
        figures.add("sdk.lost", outcome.lost)
        figures.check(outcome.lost == 0, f"{outcome.lost} of {outcome.published} readings that publish() had taken are lost")
