"""How a table is cut by time: by the day or by the month, UTC. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Period:
    """Partitions of one table, counted from 1970.

    Attributes:
        table: without its schema; a partition's name is this and its date.
        monthly: by the month, else by the day.
        ahead, behind: so many exist beforehand.
    """

    table: str
    monthly: bool
    ahead: int
    behind: int

    def start(self, number: int) -> date:
        """Where a partition begins; the next one's beginning is its end."""
        return date(1970 + number // 12, number % 12 + 1, 1) if self.monthly else EPOCH + timedelta(days=number)

    def number(self, day: date) -> int:
        """The partition of a day."""
        return (day.year - 1970) * 12 + day.month - 1 if self.monthly else (day - EPOCH).days

    def name(self, number: int) -> str:
        """The name of a partition."""
        return f"{self.table}_{self.start(number):{self._form}}"

    def named(self, name: str) -> int | None:
        """The partition of a name, None for another table."""
        try:
            found = self.number(datetime.strptime(name, f"{self.table}_{self._form}").replace(tzinfo=UTC).date())
        except ValueError:
            return None
        return found if self.name(found) == name else None

    @property
    def _form(self) -> str:
        return "%Y%m" if self.monthly else "%Y%m%d"


RAW = Period("telemetry", monthly=False, ahead=7, behind=1)
MINUTES = Period("rollup_1m", monthly=True, ahead=1, behind=0)
