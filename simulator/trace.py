"""What a simulated device would publish: same seed and clock, same bytes."""

from collections.abc import Iterator

from device_sdk.readings import Reading
from device_sdk.session import DeviceSession
from iotsphere.devices._spec import DeviceType
from simulator.behaviour import Behaviour
from simulator.schedule import Schedule


def payloads(device_type: DeviceType, seed: int, device: str, start_s: float, steps: int, dt: float) -> Iterator[bytes]:
    """Telemetry payloads of one device.

    Args:
        start_s: seconds since the Unix epoch.
        dt: seconds from one payload to the next.
    """
    behaviour, schedule = Behaviour(device_type, seed, device, start_s), Schedule(device_type, 1 / dt)
    now = start_s
    session = DeviceSession(device, clock=lambda: now, boot=f"seed-{seed}")
    session.established()
    session.take()  # the question for the shadow
    for step in range(steps):
        now = start_s + (step + 1) * dt
        session.publish([Reading(schedule.due(step, behaviour.advance(now).readings))])
        message = session.take()
        if message is not None:
            yield message.payload
            session.acknowledged(message)
