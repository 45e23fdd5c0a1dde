"""What runs on a device: readings out, commands and wishes in, over MQTT with a certificate."""

from device_sdk.aio import AioDevice, AioTicket
from device_sdk.client import Device, Ticket
from device_sdk.credentials import Credentials
from device_sdk.handlers import CommandFailed, CommandRejected
from device_sdk.journal import OutboxUnavailable
from device_sdk.options import IN_MEMORY
from device_sdk.outbox import Batching, Limits
from device_sdk.readings import Reading
from device_sdk.wishes import WishAnswer, applied, failed, in_progress, refused
from iotsphere.errors import InvalidInput

__all__ = [
    "IN_MEMORY",
    "AioDevice",
    "AioTicket",
    "Batching",
    "CommandFailed",
    "CommandRejected",
    "Credentials",
    "Device",
    "InvalidInput",
    "Limits",
    "OutboxUnavailable",
    "Reading",
    "Ticket",
    "WishAnswer",
    "applied",
    "failed",
    "in_progress",
    "refused",
]
