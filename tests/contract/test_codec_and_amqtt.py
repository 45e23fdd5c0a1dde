"""Our codec and amqtt's packet classes, written independently, understand each other in both directions."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from amqtt.adapters import BufferReader
from amqtt.mqtt.connack import ConnackPacket
from amqtt.mqtt.connect import ConnectPacket, ConnectPayload, ConnectVariableHeader
from amqtt.mqtt.packet import PacketIdVariableHeader
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.mqtt.suback import SubackPacket
from amqtt.mqtt.subscribe import SubscribePacket, SubscribePayload
from amqtt.mqtt.unsubscribe import UnsubscribePacket, UnubscribePayload
from hypothesis import given
from hypothesis import strategies as st

from broker.embedded import codec, framing
from broker.embedded.protocol import Level

Packet = TypeVar("Packet")
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="+#"), min_size=1, max_size=60)
packet_ids = st.integers(1, 65535)
qualities = st.integers(0, 2)


def body_of(data: bytes) -> bytes:
    """The body of the one packet in the data."""
    [(_, start, end)], consumed = framing.split(data, 1 << 20, Level.V3_1_1)
    assert consumed == end == len(data)
    return data[start:end]


def read(packet: Awaitable[Packet]) -> Packet:
    async def wait() -> Packet:
        return await packet

    return asyncio.run(wait())


@given(
    texts,
    st.booleans(),
    st.integers(0, 65535),
    st.none() | st.tuples(names, st.binary(max_size=60), qualities),
    st.none() | texts,
)
def test_connect(client: str, clean: bool, keep_alive: int, will: tuple[str, bytes, int] | None, user: str | None) -> None:
    header = ConnectVariableHeader(keep_alive=keep_alive)
    payload = ConnectPayload(client_id=client)
    header.clean_session_flag = clean
    if will is not None:
        header.will_flag, header.will_qos = True, will[2]
        payload.will_topic, payload.will_message = will[0], will[1]
    if user is not None:
        header.username_flag, payload.username = True, user
    found = codec.decode_connect(body_of(ConnectPacket(variable_header=header, payload=payload).to_bytes()))
    assert (found.level, found.client_id, found.clean_session, found.keep_alive) == (4, client, clean, keep_alive)
    assert (found.will and (found.will.topic, found.will.payload, found.will.qos)) == will


@given(packet_ids, st.lists(st.tuples(names, qualities), min_size=1, max_size=8))
def test_subscribe(packet_id: int, wanted: list[tuple[str, int]]) -> None:
    data = SubscribePacket(variable_header=PacketIdVariableHeader(packet_id), payload=SubscribePayload(wanted)).to_bytes()
    assert codec.decode_subscribe(body_of(data), 100) == (packet_id, wanted)


@given(packet_ids, st.lists(names, min_size=1, max_size=8))
def test_unsubscribe(packet_id: int, filters: list[str]) -> None:
    data = UnsubscribePacket(variable_header=PacketIdVariableHeader(packet_id), payload=UnubscribePayload(filters)).to_bytes()
    assert codec.decode_unsubscribe(body_of(data), 100) == (packet_id, filters)


@given(names, st.binary(max_size=300), qualities, packet_ids, st.booleans())
def test_publish(topic: str, payload: bytes, qos: int, packet_id: int, dup: bool) -> None:
    found = read(PublishPacket.from_stream(BufferReader(codec.encode_publish(topic, payload, qos, packet_id, dup))))
    assert (found.topic_name, found.data, found.qos, found.dup_flag) == (topic, payload, qos, dup)
    assert not qos or found.packet_id == packet_id


@given(packet_ids, st.lists(st.sampled_from([0, 1, 2, codec.SUBACK_REFUSED]), min_size=1, max_size=200))
def test_suback(packet_id: int, codes: list[int]) -> None:
    found = read(SubackPacket.from_stream(BufferReader(codec.encode_suback(packet_id, codes))))
    assert (found.variable_header.packet_id, found.payload.return_codes) == (packet_id, codes)


@given(packet_ids)
def test_puback(packet_id: int) -> None:
    found = read(PubackPacket.from_stream(BufferReader(codec.encode_ack(0x40, packet_id))))
    assert found.variable_header.packet_id == packet_id


@given(st.sampled_from([0, 1, 2, 3, 5]), st.booleans())
def test_connack(code: int, present: bool) -> None:
    found = read(ConnackPacket.from_stream(BufferReader(codec.encode_connack(code, present))))
    assert (found.return_code, bool(found.session_parent)) == (code, present and code == 0)
