"""What a process tells its operators: log lines and counters. Neither ever holds what a request or a file says.

A room declares its counters as data (`STORED = Counter("lamelle_stored_total", "...", ("door",))`); nothing is
registered before the first use, so that workers find the shared folder of counters that their parent prepared.
"""

import logging
import os
import sys
import threading
import traceback
from collections.abc import MutableMapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import structlog

if TYPE_CHECKING:  # what counts decides at its import whether processes share their counts
    import prometheus_client
    from prometheus_client.registry import Collector

TRUSTED = ("uvicorn", "alembic")
"""Libraries whose messages never quote data; of all others only the place that spoke is logged."""
SHARED_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Prometheus-client's name for the folder where processes share their counts; ops sets it before any worker starts."""
LATENCY_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


def configure(level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Log to standard error, text for a terminal, else one JSON object a line; libraries' logs and warnings too."""
    terminal = (stream or sys.stderr).isatty()
    readable = form == "text" or (form == "auto" and terminal)
    severity = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_circumstances,
            structlog.dev.ConsoleRenderer(colors=terminal) if readable else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(severity),
        # asked for at every line: a progress bar takes the place of standard error while it is drawn
        logger_factory=lambda: structlog.PrintLogger(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [_Forward()]
    root.setLevel(max(severity, logging.WARNING))


def _add_circumstances(logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    line["pid"] = os.getpid()
    if found := request.get():
        line.setdefault("request", found)
    return line


def log(event: str, *, level: str = "info", **facts: Any) -> None:
    """One line: a past-tense event and facts about it (counts, sizes, UIDs, codes); never patient data."""
    getattr(structlog.get_logger(), level)(event, **facts)


request: ContextVar[str] = ContextVar("request", default="")
"""Identifier of the request being answered; stands on every line logged meanwhile."""


def trace(error: BaseException) -> dict[str, Any]:
    """An error as facts: its type and where it happened (our lines and the last); its message may quote data."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames[:-1] if "lamelle" in frame.filename] + frames[-1:]
    at = [f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno} {frame.name}" for frame in ours]
    return {"error": type(error).__qualname__, "at": at}


class _Forward(logging.Handler):
    """Hands the standard library's log records to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        facts: dict[str, Any] = {"library": record.name, "level": record.levelname.lower()}
        if record.name.startswith(TRUSTED):
            facts["message"] = record.getMessage()
        else:
            facts["where"] = f"{record.module}:{record.lineno}"
        if record.exc_info and record.exc_info[1] is not None:
            facts.update(trace(record.exc_info[1]))
        level = facts.pop("level")
        log(
            "library_said",
            level=level if level in ("debug", "info", "warning", "error", "critical") else "info",
            **facts,
        )


def expose(*collectors: "Collector") -> bytes:
    """All counters in Prometheus' text form, of every worker when they share a folder, and those of `collectors`."""
    import prometheus_client
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = prometheus_client.CollectorRegistry()
    if SHARED_VARIABLE in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry = prometheus_client.REGISTRY
    own = prometheus_client.CollectorRegistry()
    for collector in collectors:
        own.register(collector)
    return prometheus_client.generate_latest(registry) + prometheus_client.generate_latest(own)


# -- counters --------------------------------------------------------------------------------------------------------

declared: "dict[str, Counter | Histogram]" = {}
"""Every counter and histogram of every imported room, by name."""
_registering = threading.Lock()


class Counter:
    """A number that only grows, for each combination of its labels."""

    kind = "counter"

    def __init__(self, name: str, about: str, labels: Sequence[str] = ()) -> None:
        self.name, self.about, self.labels = name, about, tuple(labels)
        self._metric: prometheus_client.Counter | None = None
        self._children: dict[tuple[str, ...], prometheus_client.Counter] = {}
        declared[name] = self

    def add(self, amount: float = 1, *values: str) -> None:
        """Add `amount` under these label values, which must come from a small fixed set."""
        child = self._children.get(values)
        if child is None:
            metric = self._registered()
            child = self._children[values] = metric.labels(*values) if values else metric
        child.inc(amount)

    def _registered(self) -> "prometheus_client.Counter":
        with _registering:
            if self._metric is None:
                import prometheus_client

                self._metric = prometheus_client.Counter(self.name, self.about, self.labels)
        return self._metric


class Histogram:
    """How often values fell in each bucket, for each combination of its labels."""

    kind = "histogram"

    def __init__(
        self, name: str, about: str, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_BUCKETS_S
    ) -> None:
        self.name, self.about, self.labels, self.buckets = name, about, tuple(labels), tuple(buckets)
        self._metric: prometheus_client.Histogram | None = None
        self._children: dict[tuple[str, ...], prometheus_client.Histogram] = {}
        declared[name] = self

    def observe(self, value: float, *values: str) -> None:
        """Record one value under these label values."""
        child = self._children.get(values)
        if child is None:
            metric = self._registered()
            child = self._children[values] = metric.labels(*values) if values else metric
        child.observe(value)

    def merge(self, counts: Sequence[int], total: float, *values: str) -> None:
        """Record many values at once: how many fell in each bucket (the last: above all), and their sum."""
        metric = self._registered()
        child = metric.labels(*values) if values else metric
        child._sum.inc(total)  # prometheus-client has no public way to add many; a test compares with observe
        for bucket, count in zip(child._buckets, counts, strict=True):
            if count:
                bucket.inc(count)

    def _registered(self) -> "prometheus_client.Histogram":
        with _registering:
            if self._metric is None:
                import prometheus_client

                self._metric = prometheus_client.Histogram(self.name, self.about, self.labels, buckets=self.buckets)
        return self._metric
