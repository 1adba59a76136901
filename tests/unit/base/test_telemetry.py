"""Log lines are JSON and hold no data; counters appear on first use."""

import contextlib
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import prometheus_client
import pytest
import structlog

from lamelle.base import telemetry


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    telemetry.configure("info", "json", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def parsed(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_goes_where_standard_error_is_then(lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry.configure("info", "json")
    bar = io.StringIO()
    monkeypatch.setattr(sys, "stderr", bar)
    telemetry.log("files_taken", state="stored")
    assert [line["event"] for line in parsed(bar)] == ["files_taken"]
    assert parsed(lines) == []


def test_a_line_is_one_json_object_with_its_facts(lines: io.StringIO) -> None:
    token = telemetry.request.set("r1")
    telemetry.log("instance_stored", size=12)
    telemetry.request.reset(token)
    (line,) = parsed(lines)
    assert line["event"] == "instance_stored"
    assert (line["size"], line["request"], line["level"]) == (12, "r1", "info")
    assert line["timestamp"].endswith("Z")


def test_lines_below_the_level_are_dropped(lines: io.StringIO) -> None:
    telemetry.log("noise", level="debug")
    assert parsed(lines) == []


def test_a_library_is_named_but_not_quoted(lines: io.StringIO) -> None:
    logging.getLogger("pydicom").warning("value %s is odd", "DUPONT^JEAN")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("Invalid value 'DUPONT^JEAN'", UserWarning, stacklevel=1)
    assert "DUPONT" not in lines.getvalue()
    assert [line["library"] for line in parsed(lines)] == ["pydicom", "py.warnings"]


def test_the_message_of_an_exception_is_not_logged(lines: io.StringIO) -> None:
    try:
        int("DUPONT")
    except ValueError:
        logging.getLogger("any").exception("failed")
    (line,) = parsed(lines)
    assert line["error"] == "ValueError"
    assert line["at"][0].endswith("test_the_message_of_an_exception_is_not_logged")
    assert "DUPONT" not in lines.getvalue()


def test_counters_are_declared_at_once_and_registered_on_first_use() -> None:
    counter = telemetry.Counter("lamelle_test_sheep_total", "Sheep.", ("colour",))
    histogram = telemetry.Histogram("lamelle_test_leaps_seconds", "Leaps.", buckets=(1, 2))
    assert telemetry.declared["lamelle_test_sheep_total"] is counter
    assert prometheus_client.REGISTRY.get_sample_value("lamelle_test_sheep_total", {"colour": "black"}) is None
    counter.add(2, "black")
    counter.add(1, "black")
    histogram.observe(1.5)
    assert prometheus_client.REGISTRY.get_sample_value("lamelle_test_sheep_total", {"colour": "black"}) == 3
    assert prometheus_client.REGISTRY.get_sample_value("lamelle_test_leaps_seconds_bucket", {"le": "2.0"}) == 1
    del telemetry.declared["lamelle_test_sheep_total"], telemetry.declared["lamelle_test_leaps_seconds"]


def test_a_counter_first_used_by_several_threads_at_once_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, both = prometheus_client.Counter, threading.Barrier(2)
    counter = telemetry.Counter("lamelle_test_race_total", "For a test.")

    def slowly(*args: Any) -> prometheus_client.Counter:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # until the other is here too, if it may
        return made(*args)

    monkeypatch.setattr(prometheus_client, "Counter", slowly)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(counter.add) for _ in range(2)]:
            done.result()
    assert prometheus_client.REGISTRY.get_sample_value("lamelle_test_race_total") == 2
    del telemetry.declared["lamelle_test_race_total"]


def test_many_values_at_once_count_as_one_by_one() -> None:
    one = telemetry.Histogram("lamelle_test_one_seconds", "One by one.", ("kind",), (1, 2))
    many = telemetry.Histogram("lamelle_test_many_seconds", "At once.", ("kind",), (1, 2))
    for value in (0.5, 1.0, 1.5, 7.0):
        one.observe(value, "x")
    many.merge([2, 1, 1], 10.0, "x")

    def told(name: str) -> dict[str, float]:
        found = [metric for metric in prometheus_client.REGISTRY.collect() if metric.name == name]
        return {
            sample.name.removeprefix(name) + str(sample.labels): sample.value
            for sample in found[0].samples
            if not sample.name.endswith("created")
        }

    assert told("lamelle_test_one_seconds") == told("lamelle_test_many_seconds")
    del telemetry.declared["lamelle_test_one_seconds"], telemetry.declared["lamelle_test_many_seconds"]
