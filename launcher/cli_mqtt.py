"""`iotsphere mqtt …`: look at what goes over MQTT, and send something by hand."""

import os
import re
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from iotsphere.errors import InvalidInput
from iotsphere.terminal import harmless
from iotsphere.topics import is_filter
from launcher.cli_context import home, where

app = typer.Typer(help="MQTT by hand.", no_args_is_help=True)
Qos = Annotated[int, typer.Option(min=0, max=2, help="0, 1 or 2.")]
Org = Annotated[str, typer.Option(help="Whose devices.")]
NOT_ENOUGH = NOT_STORED = 1


@app.command()
def sub(
    filters: Annotated[list[str], typer.Argument(help="Such as 'iot/v1/+/telemetry', or '#'.")],
    qos: Qos = 1,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many messages.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="End after so long; exit code 1 when --count is not reached.")
    ] = None,
    rate: Annotated[bool, typer.Option("--rate", help="Once a second, messages and bytes a second of each topic.")] = False,
    match: Annotated[str | None, typer.Option(help="Only messages whose topic or payload matches (regular expression).")] = None,
    device: Annotated[str | None, typer.Option(help="Only messages of this device.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    org: Org = "default",
) -> None:
    """Print what the devices of an organization publish, until Ctrl-C. The platform's own words to devices are not among it."""
    from launcher import service_seat
    from launcher.mqtt_client import MqttClient, Wanted
    from launcher.mqtt_watch import Watch

    if wrong := next((each for each in filters if not is_filter(each)), None):
        raise InvalidInput("FILTER", f"{wrong!r} is no topic filter")
    watch = Watch(_pattern(match), device, count=count, seconds=seconds, rate=rate, as_json=as_json, write=_write)
    with service_seat.taken(home(), org, where().mqtts) as seat:
        client = MqttClient(seat)
        client.connect()
        try:
            client.listen(Wanted(filters, qos, watch.hear, watch.enough))
        except KeyboardInterrupt:
            pass
        finally:
            client.close()
    watch.finish()
    raise typer.Exit(NOT_ENOUGH if count is not None and watch.shown < count else 0)


@app.command()
def pub(
    topic: Annotated[str, typer.Argument(help="Such as iot/v1/heater-1/telemetry.")],
    payload: Annotated[str, typer.Argument(help="Text; - reads standard input; nothing sends an empty one.")] = "",
    qos: Qos = 1,
    retain: Annotated[bool, typer.Option("--retain", help="Keep it as the topic's last message.")] = False,
    credentials: Annotated[
        Path | None,
        typer.Option("--as", help="Publish as the device of this file (ID.json of `device add`); ends its session.", exists=True),
    ] = None,
    org: Org = "default",
) -> None:
    """Publish one message and tell what became of it. A service may not publish: give a device with --as."""
    from device_sdk.credentials import Credentials
    from launcher import mqtt_refusal, service_seat
    from launcher.mqtt_client import MqttClient
    from launcher.mqtt_permission import must_be_allowed

    data = sys.stdin.buffer.read() if payload == "-" else payload.encode()
    chosen = (
        nullcontext(Credentials.load(credentials.parent, credentials.stem))
        if credentials
        else service_seat.taken(home(), org, where().mqtts)
    )
    with chosen as who:
        must_be_allowed(who, topic, data)
        began = datetime.now(UTC)
        client = MqttClient(who)
        client.connect()
        client.publish(topic, data, qos, retain=retain)
        client.close()
    outcome = "acknowledged" if qos else "written, nothing confirms QoS 0"
    print(harmless(f"{outcome}: {len(data)} bytes on {topic} as {who.id}"))
    if qos and (letter := mqtt_refusal.of(who.id, topic, began)):
        print(harmless(f"but not stored: {letter.reason} (iotsphere telemetry dead-letters show {letter.id})"))
        raise typer.Exit(NOT_STORED)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise typer.BadParameter(f"not a regular expression: {error}", param_hint="--match") from error


def _write(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:  # `… | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
