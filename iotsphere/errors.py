"""The whole exception tree, split by who must act.

IotsphereError
├── CallerError            the caller of this API must change the request
│   ├── InvalidInput       a field is wrong; names it
│   ├── NotFound           no such thing, or none that the caller may see
│   ├── Conflict           the state has changed, or the name is taken
│   ├── PreconditionFailed If-Match did not hold
│   ├── PreconditionRequired it must be sent
│   ├── Unauthenticated    who are you
│   ├── Forbidden          known, but not allowed
│   └── TooManyRequests    slower
├── DeviceError            the device sent what it may not or should not
│   └── Refused            carries a machine-readable reason
├── OperatorError          whoever runs the installation must act
│   ├── PortTaken
│   ├── HomeInUse
│   └── Misconfigured
└── TemporaryError         nobody must act: wait and try again
    └── StoreUnavailable
"""


class IotsphereError(Exception):
    """Base of everything raised on purpose."""


class CallerError(IotsphereError):
    """The caller must change the request."""


class InvalidInput(CallerError):
    """A field of the request is wrong, or several are.

    Args:
        field: path of the field as the caller wrote it, such as ``desired.setpoint``.
        reason: a sentence that says what would be right.
        also: the other wrong fields, each with its reason.

    Attributes:
        errors: all wrong fields with their reasons.
    """

    def __init__(self, field: str, reason: str, *also: tuple[str, str]) -> None:
        self.errors = ((field, reason), *also)
        super().__init__("; ".join(f"{name}: {text}" for name, text in self.errors))
        self.field = field
        self.reason = reason


class NotFound(CallerError):
    """There is no such thing, or none that the caller may see: the two are not told apart."""


class Conflict(CallerError):
    """The state has changed meanwhile, or the name is taken."""


class PreconditionFailed(CallerError):
    """The entity tag given in If-Match is not the current one."""


class PreconditionRequired(CallerError):
    """The change needs an If-Match or an If-None-Match, so that nobody overwrites what he has not seen."""


class Unauthenticated(CallerError):
    """No valid credentials."""


class Forbidden(CallerError):
    """The caller is known and may not do this."""


class TooManyRequests(CallerError):
    """The caller is over its rate.

    Args:
        retry_after_s: when it is worth trying again, seconds; None when nobody knows.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class DeviceError(IotsphereError):
    """A device sent what it may not or should not send."""


class Refused(DeviceError):
    """A connection or a message is refused.

    Args:
        category: one of ``tls``, ``client_id``, ``acl``, ``validation``, ``clock``, ``protocol``.
        reason: a sentence for the device's maker.
    """

    def __init__(self, category: str, reason: str) -> None:
        super().__init__(reason)
        self.category = category
        self.reason = reason


class OperatorError(IotsphereError):
    """Whoever runs the installation must act."""


class PortTaken(OperatorError):
    """A TCP port is in use.

    Args:
        port: the number.
        setting: the environment variable that changes it.
    """

    def __init__(self, port: int, setting: str) -> None:
        super().__init__(f"port {port} is taken by another program; set {setting} to another one (0 picks a free one)")
        self.port = port
        self.setting = setting


class HomeInUse(OperatorError):
    """Another `iotsphere up` runs on the same home."""


class Misconfigured(OperatorError):
    """A setting or a file of the installation is wrong."""


class TemporaryError(IotsphereError):
    """Wait and try again."""


class StoreUnavailable(TemporaryError):
    """PostgreSQL or Valkey does not answer now."""
