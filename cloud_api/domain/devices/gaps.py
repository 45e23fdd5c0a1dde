"""Sequence numbers of devices: what came, what is missing, what they say they lost."""

from cloud_api.auth import Principal
from cloud_api.domain.devices.schemas import FleetNumbers, GapList, NumbersView, RunView
from cloud_api.domain.devices.service import Devices
from cloud_api.tenancy import EVERY_ORGANIZATION, Pool
from ingest import losses_table, sequences_table
from ingest.sequences_table import AccountRow

RANGES = 100  # of a run, the newest


class Gaps:
    """Reads the accounts that ingest keeps; they belong to whoever owned the device at the time."""

    def __init__(self, devices: Devices, telemetry_pool: Pool) -> None:
        self._devices, self._telemetry_pool = devices, telemetry_pool

    async def of_device(self, principal: Principal, device: str, limit: int) -> GapList:
        """The runs of a device in its present owner's time.

        Raises:
            NotFound: there is none, or none that the user may see.
        """
        row = await self._devices.visible(principal, device)
        found = await sequences_table.list_accounts(self._telemetry_pool, device, row.organization, limit)
        return GapList(device=row.id, simulated=row.simulated, items=[_view(run) for run in found])

    async def totals(self, principal: Principal, organization: str | None) -> FleetNumbers:
        """Sums over what the user sees, or one organization of it (zeros for one that he does not see)."""
        wanted = _organizations(principal, organization)
        sums = await sequences_table.totals(self._telemetry_pool, wanted)
        return FleetNumbers(
            received=sums.received,
            missing=sums.missing,
            declared_lost=sums.declared,
            repeated=sums.repeated,
            late=sums.late,
            lost=await losses_table.count(self._telemetry_pool, wanted),
        )


def _organizations(principal: Principal, organization: str | None) -> list[str] | None:
    if organization is not None:
        return [organization] if principal.sees(organization) else []
    return None if principal.scope == EVERY_ORGANIZATION else [principal.scope]


def _view(run: AccountRow) -> RunView:
    account = run.account
    return RunView(
        boot=run.boot,
        session=run.session,
        first_seen=run.began_at,
        last_seen=run.heard_at,
        lowest=account.lowest,
        highest=account.highest,
        numbers=NumbersView(
            received=account.received,
            missing=account.missing,
            declared_lost=account.declared,
            repeated=account.repeated,
            late=account.late,
        ),
        missing_ranges=account.newest_holes(RANGES),
        declared_ranges=list(account.dropped.minus(account.seen))[-RANGES:],
    )
