"""The exposition of metrics as text, in the formats of Prometheus and OpenMetrics."""

import asyncio
import resource
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import cast

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder

from drayman.core.errors import ServiceError
from drayman.core.histogram import Histogram
from drayman.observe import metrics
from drayman.observe.meters import Meters
from drayman.observe.metrics import METRICS, Kind, MetricsState, ServerState
from drayman.observe.queue_counts import QueueCountReader, StoreCounts


class Exposition:
    """Returns the metrics of a server as text.

    Args:
        meters: What the server has counted.
        counts: Reads what its store says.
        server: Returns what its parts say.
    """

    def __init__(
        self, meters: Meters, counts: QueueCountReader, server: Callable[[], ServerState]
    ) -> None:
        self._meters = meters
        self._counts = counts
        self._server = server
        self._process = (*_process_collectors(),)

    async def render(self, accept: str) -> tuple[bytes, str]:
        """Return the text in the format that the ``Accept`` header asks for, and its type."""
        state = MetricsState(self._meters, self._server(), await self._read_store())
        families = [_family(metric, state) for metric in METRICS]
        # Encoding thousands of lines takes as long as dozens of calls.
        return await asyncio.to_thread(self._encode, accept, families)

    async def _read_store(self) -> StoreCounts | None:
        try:
            return await self._counts.read()
        except ServiceError:  # the metrics of the server are needed all the more
            return None

    def _encode(self, accept: str, families: Iterable[Metric]) -> tuple[bytes, str]:
        encode, content_type = choose_encoder(accept)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families([*families, *self._process_families()]))
        return encode(registry), content_type

    def _process_families(self) -> Iterator[Metric]:
        for collector in self._process:
            yield from collector()


class _Families:
    """A collector of metric families that are complete."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _family(metric: metrics.Metric, state: MetricsState) -> Metric:
    name, text, labels = metric.name, metric.help, metric.labels
    if metric.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(name, text, labels=labels)
        for values, value in metric.samples(state):
            buckets, total = _buckets(cast("Histogram", value), metric.unit)
            histogram.add_metric(values, buckets, total)
        return histogram
    if metric.kind is Kind.INFO:
        info = InfoMetricFamily(name, text, labels=labels)
        for values, value in metric.samples(state):
            info.add_metric(values, dict(cast("Mapping[str, str]", value)))
        return info
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(name, text, labels=labels)
    for values, value in metric.samples(state):
        family.add_metric(values, float(cast("float", value)))
    return family


def _buckets(histogram: Histogram, unit: int) -> tuple[list[tuple[str, float]], float]:
    """Return the cumulative buckets of a histogram, and its sum, in the metric's unit."""
    buckets, count = [], 0
    for bound, of_bucket in zip((*histogram.bounds, None), histogram.counts, strict=True):
        count += of_bucket
        buckets.append(("+Inf" if bound is None else str(bound / unit), float(count)))
    return buckets, histogram.total / unit


def _process_collectors() -> Iterator[Callable[[], Iterable[Metric]]]:
    """Yield what collects the metrics of the process and the interpreter."""
    yield PlatformCollector(registry=None).collect
    process = ProcessCollector(registry=None).collect
    yield process if any(process()) else _process_families


def _process_families() -> Iterator[Metric]:
    """Yield the metrics of the process on systems without ``/proc``, such as macOS."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    scale = 1 if sys.platform == "darwin" else 1024
    yield CounterMetricFamily(
        "process_cpu_seconds",
        "Total user and system CPU time spent in seconds.",
        value=usage.ru_utime + usage.ru_stime,
    )
    yield GaugeMetricFamily(
        "process_max_resident_memory_bytes",
        "Most resident memory so far in bytes.",
        value=usage.ru_maxrss * scale,
    )
    yield GaugeMetricFamily(
        "process_max_fds", "Maximum number of open file descriptors.", value=soft
    )
