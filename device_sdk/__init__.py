"""What runs on a device: readings out, commands and wishes in, over MQTT with a certificate."""

from device_sdk.aio import AioDevice
from device_sdk.client import Device, Ticket
from device_sdk.credentials import Credentials
from device_sdk.handlers import CommandFailed, CommandRejected

__all__ = ["AioDevice", "CommandFailed", "CommandRejected", "Credentials", "Device", "Ticket"]
