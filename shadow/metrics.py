"""What the shadow service counts."""

from prometheus_client import CollectorRegistry, Counter


class ShadowMetrics:
    """Counters, labels bound once.

    Args:
        registry: where they appear; a fresh one when None.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        requests = Counter("shadow_requests", "Requests of devices", ["outcome"], registry=registry)
        self.accepted = requests.labels("accepted")
        self.rejected = requests.labels("rejected")
        self.conflicts = Counter("shadow_conflicts", "Compare-and-set that met a newer version", registry=registry)
        self.replies_dropped = Counter("shadow_replies_dropped", "Replies that found no room", registry=registry)
        self.announced = Counter("shadow_announced", "Versions announced to their device", registry=registry)
        reads = Counter("shadow_reads", "Reads by where they were served from", ["source"], registry=registry)
        self.from_redis = reads.labels("redis")
        self.from_postgres = reads.labels("postgres")
        self.repaired = Counter("shadow_repaired", "Documents that Redis lacked or had in an old version", registry=registry)
        self.redis_failures = Counter("shadow_redis_failures", "Operations that Redis did not answer", registry=registry)
