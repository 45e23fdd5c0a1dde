"""Commands: at most once each, over restarts too."""

import json
from typing import Any

from device_sdk.inbox import Inbox
from device_sdk.moments import Moments
from device_sdk.receipt import Receipt
from iotsphere.messages import CommandResponse

DONE = CommandResponse(status="succeeded", result={"n": 1})


class Box:
    """An inbox whose notes become sure when the test says so."""

    def __init__(self, known: dict[str, bytes | None] | None = None, *, sure: bool = True) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.noted: dict[str, bytes | None] = {}
        self.receipts: list[Receipt] = []
        self._sure = sure
        self.inbox = Inbox(self._answer, self._note, known or {}, Moments(lambda: 1000.0, lambda: 5.0))

    def _answer(self, command_id: str, response: bytes) -> None:
        body = json.loads(response)
        self.sent.append((command_id, body["status"], body.get("reason", {}).get("code", "")))

    def _note(self, command_id: str, answer: bytes | None) -> Receipt:
        self.noted[command_id] = answer
        receipt = Receipt()
        receipt._expect()
        if self._sure:
            receipt._kept()
        self.receipts.append(receipt)
        return receipt

    def request(self, id: str) -> None:
        body: dict[str, Any] = {"id": id, "name": "go", "params": {}, "issued_at": 999_000, "expires_at": 1_010_000}
        self.inbox.received(id, json.dumps(body).encode())


def test_a_command_begins_only_when_that_is_written_down() -> None:
    box = Box(sure=False)
    box.request("a")
    assert box.noted == {"a": None}
    assert not box.inbox.ready
    assert box.inbox.next() is None
    box.receipts[0]._kept()
    assert box.inbox.ready
    request = box.inbox.next()
    assert request is not None
    assert request.id == "a"


def test_one_at_a_time_and_each_is_written_down_with_its_answer() -> None:
    box = Box()
    box.request("a")
    box.request("b")
    assert box.inbox.next()
    assert box.inbox.next() is None
    box.inbox.answered("a", DONE)
    assert json.loads(box.noted["a"] or b"") == {"status": "succeeded", "result": {"n": 1}}
    request = box.inbox.next()
    assert request is not None
    assert request.id == "b"


def test_a_result_that_is_too_large_is_said_to_be() -> None:
    box = Box()
    box.request("a")
    assert box.inbox.next()
    box.inbox.answered("a", CommandResponse(status="succeeded", result={"x": "y" * 200_000}))
    assert box.sent == [("a", "failed", "result_too_large")]


def test_what_the_disk_does_not_take_is_not_run() -> None:
    box = Box(sure=False)
    box.request("a")
    box.receipts[0]._refused(OSError("full"))
    assert box.inbox.next() is None
    assert box.sent == [("a", "rejected", "storage")]


def test_after_a_restart_a_request_gets_the_answer_that_was_given() -> None:
    box = Box({"a": b'{"status":"failed","reason":{"code":"stuck"}}'})
    box.inbox.recover()
    assert box.sent == []
    box.request("a")
    assert box.inbox.next() is None
    assert box.sent == [("a", "failed", "stuck")]


def test_after_a_restart_a_command_that_had_begun_is_answered_and_not_run_again() -> None:
    box = Box({"a": None})
    box.inbox.recover()
    assert box.sent == [("a", "failed", "interrupted")]
    box.request("a")
    assert box.inbox.next() is None
    assert box.sent == [("a", "failed", "interrupted")] * 2
