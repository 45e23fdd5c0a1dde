"""Where the topics of one client lead, remembered by their bytes."""

from collections.abc import Mapping

from broker import policy
from broker.api import LANE_OF, Lane
from broker.embedded import codec
from broker.embedded.framing import MalformedPacket
from broker.embedded.lanes import LaneQueue
from iotsphere.registry import DeviceRecord
from iotsphere.topics import MAX_DEPTH, Kind, Route, is_topic_name, parse

Resolved = tuple[str, Route, LaneQueue]


class Routes(dict[bytes, Resolved | str]):
    """A look-up finds a topic's route, or a text: why it may not be published to.

    Args:
        most: so many are remembered.

    Raises:
        MalformedPacket: on a look-up of what is no topic name.
    """

    def __init__(self, record: DeviceRecord, lanes: Mapping[Lane, LaneQueue], most: int) -> None:
        super().__init__()
        self._record = record
        self._lanes = lanes
        self._most = most

    def __missing__(self, topic: bytes) -> Resolved | str:
        name = codec.text(topic)
        if not is_topic_name(name):
            raise MalformedPacket("a PUBLISH to a topic that is empty or has a wildcard")
        route = parse(name) if name.count("/") < MAX_DEPTH else None
        if route is None:
            return policy.NO_SUCH_TOPIC
        reason = policy.may_publish(self._record, route)
        found: Resolved | str = reason or (name, route, self._lanes[LANE_OF[route.kind]])
        if route.kind is not Kind.COMMAND_RESPONSE:  # each of those has a topic of its own
            if len(self) >= self._most:
                self.clear()
            self[topic] = found
        return found
