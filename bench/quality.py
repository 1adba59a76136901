"""`python -m bench.quality SLIDE...`: what scan quality control finds, misses, raises for nothing, and what it costs.

Defects are put into the pixels of real and drawn slides as they are read: blur before noise and JPEG, as cameras do it.
Beside it stands what is usually done, the variance of the Laplacian with the threshold that is best in hindsight.
"""

import argparse
import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from lamelle.archive.catalogue import series, study
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.errors import LamelleError
from lamelle.doors.files.importing import import_paths
from lamelle.doors.files.settings import FilesSettings
from lamelle.lab.quality import focus, judging, measuring, overview, tissue
from lamelle.lab.quality.pixels import Field, Pixels, Small

Picture = NDArray[np.uint8]
SIGMAS_UM = (0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
SAMPLED = 30
"""Fields of a slide whose focus is told one by one."""
INJECTED = 60
"""Fields of a slide that are looked at while defects are put into it."""


def blurred(picture: Picture, sigma: float, seed: int) -> Picture:
    """A field as a camera out of focus gives it; `sigma` in pixels."""
    seen = ndimage.gaussian_filter(picture.astype(np.float32), (sigma, sigma, 0)) if sigma else picture
    seen = seen + np.random.default_rng(seed).normal(0, 1.5, picture.shape)
    out = io.BytesIO()
    Image.fromarray(seen.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=82)
    return np.asarray(Image.open(out))


def laplacian(picture: Picture) -> float:
    return float(ndimage.laplace(picture.astype(np.float32).mean(axis=-1)).var())


# -- defects ---------------------------------------------------------------------------------------------------------


class Blurred(Pixels):
    """Out of focus by `sigma_um` in the middle third of its width."""

    sigma_um = 2.0

    def field(self, column: int, row: int, plane: int | None = None) -> Field | None:
        found = super().field(column, row, plane)
        inside = 1 / 3 <= (column + 0.5) / self.fields.columns < 2 / 3
        if found is None or not inside:
            return found
        return replace(found, picture=blurred(found.picture, self.sigma_um / found.um, column * 1000 + row))


class Blank(Pixels):
    """Three tiles of its tissue are of one colour."""

    def places(self) -> set[tuple[int, int]]:
        small = super().small()
        share = measuring.shares(tissue.find(small).tissue, small, self)
        full = np.argwhere(share > 0.9)
        if not len(full):
            return set()
        chosen = np.random.default_rng(1).choice(len(full), min(3, len(full)), replace=False)
        return {(int(full[n][1]), int(full[n][0])) for n in chosen}

    def small(self) -> Small:
        found = super().small()
        picture = found.picture.copy()
        wide, high = self.field_um
        for column, row in self.places():
            rows = slice(round(row * high / found.um), round((row + 1) * high / found.um))
            picture[rows, round(column * wide / found.um) : round((column + 1) * wide / found.um)] = 255
        return replace(found, picture=picture)

    def field(self, column: int, row: int, plane: int | None = None) -> Field | None:
        found = super().field(column, row, plane)
        if found is None or (column, row) not in self.places():
            return found
        return replace(found, picture=np.full_like(found.picture, 255))

    def lengths(self) -> NDArray[np.int64]:
        out = super().lengths()
        for column, row in self.places():
            out[row, column] = 700
        return out


class Striped(Pixels):
    """A stripe of 48 micrometres down the middle of its tissue was not scanned."""

    def small(self) -> Small:
        found = super().small()
        columns = np.flatnonzero(tissue.find(found).tissue.sum(axis=0) * found.um > 1000)
        if not len(columns):
            return found
        picture, at = found.picture.copy(), int(columns[len(columns) // 2])
        picture[:, at : at + max(1, round(48 / found.um))] = np.median(picture[:2], axis=(0, 1))
        return replace(found, picture=picture)


# -- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scan:
    name: str
    study_uid: str
    series_uid: str


def scans(archive: Archive) -> Iterator[Scan]:
    query = sa.select(study.c.uid, series.c.uid).join(series, series.c.study_id == study.c.id).order_by(series.c.id)
    with archive.db.read() as conn:
        rows = conn.execute(query).all()
    for study_uid, series_uid in rows:
        try:
            pixels = Pixels(archive, study_uid, series_uid)
        except LamelleError:
            continue
        size = f"{pixels.base.width} x {pixels.base.height}"
        yield Scan(f"{pixels.slide.stain or 'stain not said'}, {size}", study_uid, series_uid)


def fields(pixels: Pixels) -> list[Field]:
    """Some fields with tissue."""
    small = pixels.small()
    full = np.argwhere(measuring.shares(tissue.find(small).tissue, small, pixels) > measuring.SHARE)
    np.random.default_rng(0).shuffle(full)
    found = (pixels.field(int(column), int(row)) for row, column in full[:SAMPLED])
    return [field for field in found if field is not None]


def by_field(pixels: Pixels) -> dict[float, list[tuple[float | None, float]]]:
    """Of each blur, in micrometres, what the width of edges and the Laplacian say of each field."""
    seen = fields(pixels)
    out: dict[float, list[tuple[float | None, float]]] = {}
    for sigma in SIGMAS_UM:
        pictures = [blurred(field.picture, sigma / field.um, n) for n, field in enumerate(seen)]
        told = [focus.width(picture, field.um) for picture, field in zip(pictures, seen, strict=True)]
        out[sigma] = list(zip(told, map(laplacian, pictures), strict=True))
    return out


def verdict(pixels: Pixels) -> tuple[judging.Verdict, tuple[str, ...]]:
    seen = measuring.measure(pixels)
    return judging.verdict(judging.judge(seen.values, seen.grids, judging.DEFAULTS), seen.why)


def half(pixels: Pixels, found: tissue.Found, um: float) -> tissue.Found | None:
    """A scan that ended in the middle of its tissue; None where it has too little."""
    columns = np.flatnonzero(found.tissue.any(axis=0))
    if tissue.mm2(found.tissue, um) < 2:
        return None
    end = int(columns[len(columns) // 2])
    return tissue.Found(*(mask[:, :end] for mask in (found.tissue, found.dark, found.ink, found.empty)))


@contextmanager
def archive_of(paths: list[Path]) -> Iterator[Archive]:
    """An archive of these slides, or the one that lies in a folder."""
    if len(paths) == 1 and (paths[0] / "catalogue.sqlite3").exists():
        archive = Archive.open(ArchiveSettings(paths[0]))
        yield archive
        archive.close()
        return
    with tempfile.TemporaryDirectory(prefix="lamelle-quality-") as folder:
        archive = Archive.open(ArchiveSettings(Path(folder), reserve_bytes=0))
        import_paths(archive, FilesSettings(), paths)
        yield archive
        archive.close()


def main() -> None:
    """Reads the command line and prints Markdown."""
    parser = argparse.ArgumentParser(prog="bench.quality", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, help="slides, or the data folder of an archive")
    given = parser.parse_args()
    with archive_of(given.paths) as archive:
        report(archive, list(scans(archive)), lambda line: print(line, flush=True))


def report(archive: Archive, slides: list[Scan], say: Callable[[str], None]) -> None:
    """Every part, one after the other."""
    opened = lambda scan, kind=Pixels: kind(archive, scan.study_uid, scan.series_uid)  # noqa: E731
    say("| slide | verdict | reasons | seconds | processor seconds |\n|---|---|---|---|---|")
    plain: dict[Scan, set[str]] = {}
    for scan in slides:
        wall, cpu = time.perf_counter(), time.process_time()
        found, reasons = verdict(opened(scan))
        plain[scan] = set(reasons)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        say(f"| {scan.name} | {found} | {', '.join(reasons)} | {wall:.1f} | {cpu:.1f} |")
    own, children = (
        resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    say(f"\npeak memory {own} MB, of its largest ended child {children} MB\n")
    _focus(opened, slides, say)
    measuring.FIELDS = INJECTED  # type: ignore[misc]
    _injected(opened, plain, say)


def _focus(opened: Any, slides: list[Scan], say: Callable[[str], None]) -> None:
    limit = judging.DEFAULTS["field_blur_um"].warn or 0.0
    pooled: dict[float, list[tuple[float | None, float]]] = {sigma: [] for sigma in SIGMAS_UM}
    for scan in slides:
        for sigma, told in by_field(opened(scan)).items():
            pooled[sigma] += told
    sharp = np.array([value for _, value in pooled[0.0]])
    wide = np.array([value for sigma in SIGMAS_UM if sigma >= 1 for _, value in pooled[sigma]])
    best = max(np.percentile(sharp, np.arange(0, 100, 0.5)), key=lambda at: np.mean(sharp > at) + np.mean(wide <= at))
    say("| blur, um | fields | not told | called blurred | Laplacian, best threshold |\n|---|---|---|---|---|")
    for sigma, told in pooled.items():
        known = [width for width, _ in told if width is not None]
        called = np.mean([width > limit for width in known])
        usual = np.mean([value <= best for _, value in told])
        say(f"| {sigma:g} | {len(told)} | {1 - len(known) / len(told):.1%} | {called:.1%} | {usual:.1%} |")


def _injected(opened: Any, plain: dict[Scan, set[str]], say: Callable[[str], None]) -> None:
    slides = list(plain)
    say("\n| defect | slides | found | raised without it |\n|---|---|---|---|")
    for name, kind, words in (
        ("a third out of focus by 2 um", Blurred, {"blurred", "blurred_patch_mm2", "blur_um"}),
        ("three blank tiles in tissue", Blank, {"blank_mm2"}),
        ("a stripe of 48 um not scanned", Striped, {"gap_mm"}),
    ):
        hits = [bool(words & set(verdict(opened(scan, kind))[1])) for scan in slides]
        false = [bool(words & plain[scan]) for scan in slides]
        missed = [scan.name for scan, hit in zip(slides, hits, strict=True) if not hit]
        say(f"| {name} | {len(slides)} | {sum(hits)} | {sum(false)} |")
        print("missed:", missed, file=sys.stderr)
    rows = []
    for scan in slides:
        pixels = opened(scan)
        glass, small = pixels.overview(), pixels.small()
        found = tissue.find(small)
        part = half(pixels, found, small.um)
        if glass is not None and part is not None:
            whole, cut = overview.compare(found, small.um, glass), overview.compare(part, small.um, glass)
            rows.append((whole, cut))
    warn = judging.DEFAULTS["covered"].warn or 0.0
    told = [(whole, cut) for whole, cut in rows if whole is not None and cut is not None]
    say(
        f"| half of the tissue not scanned | {len(rows)}, {len(told)} with tissue told on the photograph |"
        f" {sum(cut.covered < warn for _, cut in told)} | {sum(whole.covered < warn for whole, _ in told)} |"
    )


if __name__ == "__main__":
    main()
