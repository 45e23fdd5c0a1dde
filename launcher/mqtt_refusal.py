"""Whether a message that was acknowledged could be stored: a PUBACK says that this is decided, not how."""

from datetime import datetime

from ingest import dead_letters_table
from ingest.dead_letters_table import LetterRow, Selection
from iotsphere.errors import OperatorError, TemporaryError
from launcher.cli_context import with_telemetry


def of(device: str, topic: str, since: datetime) -> LetterRow | None:
    """The dead letter that a message became; None when there is none, or when the platform is not on this machine."""
    wanted = Selection(device=device, start=since)
    try:
        letters = with_telemetry(lambda connection: dead_letters_table.page(connection, wanted, None, 10))
    except (OperatorError, TemporaryError):
        return None
    return next((letter for letter in letters if letter.topic == topic), None)
