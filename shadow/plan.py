"""What a run of requests to one shadow makes of it, and what is answered to each. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from iotsphere import topics
from iotsphere.delivery import Delivery
from iotsphere.devices._spec import DeviceType
from iotsphere.errors import InvalidInput
from iotsphere.messages import ShadowRequest, ShadowUpdate
from iotsphere.registry import DeviceRecord
from iotsphere.topics import Dialect, Kind
from shadow import document, history, replies
from shadow.document import Change, Document, TooLarge, encode
from shadow.history import DELETION, DEVICE, Revision
from shadow.requests import GUARDS, Rejected, parse_request, parse_update, token_of
from shadow.shadow_table import Key

_VERB = {Kind.SHADOW_GET: "get", Kind.SHADOW_UPDATE: "update", Kind.SHADOW_DELETE: "delete"}
RECORDED = frozenset({400, 413, 415})
"""Codes that say that the device is wrong; 404 and 409 are the ordinary course of things."""
MAX_NAMED = 1000
"""Named shadows of a device, those that were deleted included: what a device that goes astray may take of the disk."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A message to the device that asked."""

    device: str
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is recorded as wrong."""

    device: str
    reason: str
    topic: str


@dataclass(slots=True)
class Plan:
    """Everything that follows from the requests; nothing of it has happened yet.

    Attributes:
        base: the document as it was loaded.
        current: the document after all requests.
        rejected: how many of the replies are rejections.
        crowded: see Planner.plan().
        token: clientToken of the last accepted update.
        converged: (property, seconds) of each that came into effect.
        is_news: the device is to be told; decided when it is stored.
    """

    key: Key
    record: DeviceRecord
    base: Document
    current: Document
    revisions: list[Revision] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    rejected: int = 0
    crowded: bool = False
    token: str | None = None
    converged: list[tuple[str, float]] = field(default_factory=list)
    is_news: bool = False


class Planner:
    """Makes plans.

    Args:
        types: what the desired section of a known type may hold; an unknown type takes everything.
    """

    def __init__(self, types: Mapping[str, DeviceType]) -> None:
        self._types = types

    def plan(self, base: Document, deliveries: Sequence[Delivery], now: float, *, crowded: bool = False) -> Plan:
        """Apply the requests of one device to one of its shadows, in their order.

        Args:
            now: seconds since the Unix epoch.
            crowded: the device has as many named shadows as it may have, and this would be one more.
        """
        first = deliveries[0]
        plan = Plan((first.device.id, first.route.name or ""), first.device, base, base, crowded=crowded)
        for delivery in deliveries:
            route, verb = delivery.route, _VERB[delivery.route.kind]
            try:
                outcome, payload = "accepted", self._accept(plan, delivery, now)
            except Rejected as rejected:
                outcome, payload = "rejected", _rejection(rejected, delivery, now)
                plan.rejected += 1
                if rejected.code in RECORDED:
                    plan.refusals.append(Refusal(delivery.device.id, f"shadow {verb}: {rejected.message}", delivery.topic))
            topic = topics.shadow_reply(delivery.device.id, verb, outcome, route.name, route.dialect)
            plan.replies.append(Reply(delivery.device.id, topic, payload))
        return plan

    def _accept(self, plan: Plan, delivery: Delivery, now: float) -> bytes:
        match delivery.route.kind:
            case Kind.SHADOW_UPDATE:
                return self._update(plan, delivery, now)
            case Kind.SHADOW_DELETE:
                return _delete(plan, delivery, now)
        request = parse_request(delivery.payload)
        _existing(plan.current)
        return replies.with_token(replies.got(plan.current, int(now), delivery.route.dialect), request.clientToken)

    def _update(self, plan: Plan, delivery: Delivery, now: float) -> bytes:
        request, before = parse_update(delivery.payload), plan.current
        if plan.crowded:
            raise Rejected(413, f"a device may have {MAX_NAMED} named shadows")
        _guard(before, request)
        self._check_desired(delivery, request.state)
        try:
            after = document.update(before, request.state, now)
        except TooLarge as error:
            raise Rejected(413, str(error)) from error
        except InvalidInput as error:
            raise Rejected(400, str(error)) from error
        plan.current, plan.token = after, request.clientToken
        plan.converged += document.converged(before, after, now).items()
        plan.revisions.append(history.revision(after, now, DEVICE, encode(request.state).decode()))
        return replies.with_token(replies.updated(after, request.state, delivery.route.dialect), request.clientToken)

    def _check_desired(self, delivery: Delivery, change: Change) -> None:
        declared = self._types.get(delivery.device.device_type)
        desired = (change or {}).get("desired")
        if declared is None or not desired or delivery.route.name is not None:
            return  # a type declares the properties of the classic shadow; named ones are free
        try:
            declared.check_desired(desired)
        except InvalidInput as error:
            raise Rejected(400, str(error), {"field": error.field}) from error


def _delete(plan: Plan, delivery: Delivery, now: float) -> bytes:
    request = parse_request(delivery.payload)
    _existing(plan.current)
    _guard(plan.current, request)
    plan.current, plan.token = document.delete(plan.current, now), request.clientToken
    plan.revisions.append(history.revision(plan.current, now, DEVICE, DELETION))
    return replies.with_token(replies.deleted(plan.current), request.clientToken)


def _existing(current: Document) -> None:
    if not current.exists:
        raise Rejected(404, "there is no such shadow")


def _guard(current: Document, request: ShadowUpdate | ShadowRequest) -> None:
    for name in GUARDS:
        wanted, found = getattr(request, name), getattr(current, name)
        if wanted is not None and wanted != found:
            raise Rejected(409, f"version conflict: the {name} is {found}", {"current": replies.current(current)})


def _rejection(rejected: Rejected, delivery: Delivery, now: float) -> bytes:
    body = replies.rejected(rejected.code, rejected.message, int(now))
    told = rejected.told if delivery.route.dialect is Dialect.OWN else {}
    return replies.with_token({**body, **told}, token_of(delivery.payload))
