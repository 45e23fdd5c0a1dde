"""A device that publishes as fast as its outbox takes it, a process of its own (see child.py): ``connected``, then ``done``."""

import threading
import time

import msgspec

from device_sdk import Batching, Device, Limits
from tests.bench.child import read_job, tell

BATCH = 100  # readings of a call
LOOK_S = 0.002
OUTBOX_BYTES = 1 << 30  # nothing is dropped while the platform is slower than the outbox


class Job(msgspec.Struct):
    """What to publish.

    Attributes:
        threads: so many publish at once; each call returns before its next one.
        batched: BATCH readings a call, else one.
    """

    directory: str
    device: str
    measurement: str
    threads: int
    seconds: float
    batched: bool


class Result(msgspec.Struct):
    """Readings that were taken and acknowledged; seconds until the last was taken, and until the last PUBACK."""

    readings: int
    taken_s: float
    acknowledged_s: float


class Load:
    """Threads that publish until the time is over."""

    def __init__(self, device: Device, job: Job) -> None:
        self._device, self._job = device, job
        self._counts = [0] * job.threads
        self._end = 0.0

    def run(self) -> Result:
        """Publish, then wait for every PUBACK."""
        began = time.perf_counter()
        self._end = began + self._job.seconds
        threads = [threading.Thread(target=self._publish, args=(number,)) for number in range(self._job.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.perf_counter() - began
        while self._device.backlog:
            time.sleep(LOOK_S)
        return Result(sum(self._counts), taken, time.perf_counter() - began)

    def _publish(self, number: int) -> None:
        values, many = {self._job.measurement: 1.0}, [{self._job.measurement: 1.0}] * BATCH
        while time.perf_counter() < self._end:
            if self._job.batched:
                self._device.publish_all(many)
                self._counts[number] += BATCH
            else:
                self._device.publish(values)
                self._counts[number] += 1


if __name__ == "__main__":
    job: Job = read_job(Job)
    batching = Batching(count=BATCH if job.batched else 1)
    with Device.from_directory(job.directory, job.device, batching=batching, limits=Limits(bytes=OUTBOX_BYTES)) as device:
        tell("connected")
        tell("done", Load(device, job).run())
