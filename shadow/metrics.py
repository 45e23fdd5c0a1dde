"""What the shadow service counts."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram

from iotsphere.devices._spec import DeviceType

SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 6 * 3600.0, 86_400.0)
OTHER = "other"


class ShadowMetrics:
    """Counters, labels bound once.

    Args:
        registry: where they appear; a fresh one when None.
        types: whose properties have a histogram of their own.
    """

    def __init__(self, registry: CollectorRegistry | None = None, types: Mapping[str, DeviceType] | None = None) -> None:
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
        self._converge = Histogram(
            "shadow_converge_seconds",
            "From when desired and reported differed in a property until the device brought them together",
            ["property"],
            registry=registry,
            buckets=SECONDS,
        )
        self._properties = {name: {p.key for p in declared.properties} for name, declared in (types or {}).items()}

    def converged(self, device_type: str, key: str, seconds: float) -> None:
        """A property has come into effect. Its name is a label when its type declares it: labels must be few."""
        known = key in self._properties.get(device_type, ())
        self._converge.labels(key if known else OTHER).observe(seconds)
