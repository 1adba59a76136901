"""Scanners' files to DICOM: ours, wsidicomizer, and copying and hashing the same file."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import scanned
from bench.lines import Line, watched
from bench.plan import Facts, Plan, costs, repeated

KINDS: dict[str, Callable[[Path, int], Path]] = {
    "SVS": scanned.svs_of, "NDPI": scanned.ndpi_of,
    "NDPI with wide strips": partial(scanned.ndpi_of, interval=scanned.WIDE),
}  # fmt: skip
PEER = "import sys; from wsidicomizer import WsiDicomizer; WsiDicomizer.convert(sys.argv[1], output_path=sys.argv[2])"


def convert(plan: Plan) -> None:
    """An SVS and two NDPI into the archive, durable and searchable; into files by the peer."""
    for kind, make in KINDS.items():
        slide = make(plan.work, plan.scan_mb)
        size = slide.stat().st_size / 1e6
        values, more = {}, {}
        for name, command in (
            ("ours", _import),
            ("wsidicomizer", _wsidicomizer),
            ("limit: cp + sync + sha256", _copy),
        ):
            figure, facts = repeated(plan.runs, partial(_run, command, plan, slide, size))
            more[name] = facts
            if not facts["bad"]:
                values[name] = figure
        plan.book.add(Line(f"{kind} of {size:.0f} MB to DICOM", "MB/s", "more", values, more))


def _run(
    command: Callable[[Path, Path], list[str]], plan: Plan, slide: Path, size: float, _: int
) -> tuple[float, Facts]:
    target = plan.work / "run" / command.__name__.strip("_")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with watched(None) as spent, (plan.work / "run/convert.log").open("wb") as log:
        process = subprocess.Popen(command(slide, target), stdout=log, stderr=log)
        spent.follow(process.pid)
        process.wait()
    written = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 1e6
    shutil.rmtree(target, ignore_errors=True)
    bad = int(process.returncode != 0 or written < size * 0.8)
    return size / spent.seconds, {"bad": bad, "written_mb": round(written), **costs(spent)}


def _import(slide: Path, target: Path) -> list[str]:
    return [sys.executable, "-m", "lamelle", "import", "--data", str(target), str(slide)]


def _wsidicomizer(slide: Path, target: Path) -> list[str]:
    return [sys.executable, "-c", PEER, str(slide), str(target / "out")]


def _copy(slide: Path, target: Path) -> list[str]:
    return ["sh", "-c", 'cp "$0" "$1" && sync "$1" && sha256sum "$1"', str(slide), str(target / "copy")]
