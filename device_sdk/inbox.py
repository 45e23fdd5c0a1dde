"""Commands from their arrival to their answer: each is run at most once, and answered as often as it is asked. Pure."""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import msgspec

from device_sdk.moments import Moments
from device_sdk.receipt import Receipt, State
from iotsphere.messages import MAX_PAYLOAD_BYTES, CommandRequest, CommandResponse, Reason

WORK = 32  # commands that wait for their handler; policy: reject as busy
REMEMBERED = 1000  # commands whose answer is kept in case the request comes again; policy: forget the oldest

_request = msgspec.json.Decoder(CommandRequest).decode
_encode = msgspec.json.Encoder().encode
IN_PROGRESS = _encode(CommandResponse(status="in_progress"))
INTERRUPTED = _encode(
    CommandResponse(
        status="failed", reason=Reason("interrupted", "the device was restarted before it answered; it is not run again")
    )
)

TOO_LARGE = _encode(
    CommandResponse(
        status="failed", reason=Reason("result_too_large", f"it was done, but its result is over {MAX_PAYLOAD_BYTES} bytes")
    )
)

Answer = Callable[[str, bytes], None]
"""(command id, encoded response): sends it."""
Note = Callable[[str, bytes | None], Receipt]
"""(command id, its answer, or None when it is about to be run): remembers it over restarts; the receipt says when it is sure."""


class _Stage(Enum):
    IDLE = 0
    NOTED = 1  # it is being written down that the command is about to be run
    RUNNING = 2


@dataclass(slots=True)
class _Waiting:
    request: CommandRequest
    deadline: float  # monotonic seconds


class Inbox:
    """One command at a time.

    That a command begins is written down before it runs. After a restart it is therefore not run again: when the answer was
    written down too, that is sent, else INTERRUPTED.

    Args:
        known: answers by command id of earlier runs; None for one that was begun and not answered.
    """

    def __init__(
        self,
        answer: Answer,
        note: Note,
        known: Mapping[str, bytes | None],
        moments: Moments,
    ) -> None:
        self._answer, self._note = answer, note
        self._moments = moments
        self._answers: OrderedDict[str, bytes | None] = OrderedDict(known)
        self._waiting: deque[_Waiting] = deque()
        self._stage = _Stage.IDLE
        self._current: _Waiting | None = None
        self._noted: Receipt | None = None

    def recover(self) -> None:
        """Answer what an earlier run has begun and not answered."""
        for command_id, answer in list(self._answers.items()):
            if answer is None:
                self._finish(command_id, INTERRUPTED)

    def received(self, command_id: str, payload: bytes) -> None:
        """A request came."""
        if command_id in self._answers:
            self._answer(command_id, self._answers[command_id] or IN_PROGRESS)
            return
        try:
            request = _request(payload)
        except msgspec.DecodeError as error:
            self._reject(command_id, "malformed", str(error))
            return
        left = self._moments.left(request.issued_at, request.expires_at)
        if request.id != command_id:
            self._reject(command_id, "malformed", f"the id {request.id} is not the topic's")
        elif left <= 0:
            self._reject(command_id, "expired", "it came after its time")
        elif len(self._waiting) >= WORK:
            self._reject(command_id, "busy", f"{WORK} commands wait already")
        else:
            self._remember(command_id, None)
            self._waiting.append(_Waiting(request, self._moments.monotonic() + left))
            self._advance()

    @property
    def ready(self) -> bool:
        """Whether next() has something."""
        return self._stage is _Stage.NOTED and self._noted is not None and self._noted.state is not State.KEEPING

    def next(self) -> CommandRequest | None:
        """The command to run now. It may have expired while it waited, or the disk may not take that it begins."""
        while self.ready and self._current is not None and self._noted is not None:
            request = self._current.request
            if self._noted.state is State.REFUSED:
                self.answered(request.id, _rejection("storage", "the device cannot write down that it begins"))
            elif self._current.deadline <= self._moments.monotonic():
                self.answered(request.id, _rejection("expired", "it waited too long on the device"))
            else:
                self._stage = _Stage.RUNNING
                return request
        return None

    def answered(self, command_id: str, response: CommandResponse) -> None:
        """The final answer to a command that next() gave."""
        answer = _encode(response)
        self._finish(command_id, answer if len(answer) <= MAX_PAYLOAD_BYTES else TOO_LARGE)
        self._stage, self._current = _Stage.IDLE, None
        self._advance()

    def _advance(self) -> None:
        if self._stage is _Stage.IDLE and self._waiting:
            self._stage, self._current = _Stage.NOTED, self._waiting.popleft()
            self._noted = self._note(self._current.request.id, None)

    def _finish(self, command_id: str, answer: bytes) -> None:
        self._remember(command_id, answer)
        self._note(command_id, answer)
        self._answer(command_id, answer)

    def _reject(self, command_id: str, code: str, text: str) -> None:
        self._answer(command_id, _encode(_rejection(code, text)))

    def _remember(self, command_id: str, answer: bytes | None) -> None:
        self._answers[command_id] = answer
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)


def _rejection(code: str, text: str) -> CommandResponse:
    return CommandResponse(status="rejected", reason=Reason(code, text))
