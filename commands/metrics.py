"""What the command service counts."""

from prometheus_client import CollectorRegistry, Counter, Histogram


class CommandMetrics:
    """Counters, labels bound once.

    Args:
        registry: where they appear; a fresh one when None.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.finished = Counter("command_finished", "Commands by final state", ["status"], registry=registry)
        sends = Counter("command_sends", "Attempts to send", ["outcome"], registry=registry)
        self.queued, self.offline, self.refused = (sends.labels(outcome) for outcome in ("queued", "offline", "refused"))
        self.answers_refused = Counter("command_answers_refused", "Responses that fit no command", registry=registry)
        self.parked = Counter("command_parked", "Commands that others overtook: no answer came in time", registry=registry)
        self.news_dropped = Counter("command_news_dropped", "Events and signals that found no room", registry=registry)
        self.seconds = Histogram(
            "command_seconds",
            "From the commit of a command to the commit of its answer",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10),
            registry=registry,
        )
