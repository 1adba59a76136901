"""Draws and takes in what the demonstration lacks, with a bar for each; drawing itself is in generate."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lamelle.archive.store import Archive
from lamelle.base.errors import Unavailable
from lamelle.doors.files.importing import import_paths
from lamelle.doors.files.settings import FilesSettings
from lamelle.lab.room import Lab
from lamelle.ops import wiring
from lamelle.ops.config import Settings
from lamelle.ops.demo import generate, laboratory, people
from lamelle.ops.demo.generate import Part, Size


def prepare(settings: Settings, folder: Path, size: Size, console: Console) -> None:
    """Draws and stores what is missing, with a bar for each; what is refused is named and left out.

    Raises: Unavailable demo_refused if nothing could be stored.
    """
    parts = generate.parts(size)
    with _bar(console, "Drawing / Dessin", sum(part.cost for part in parts)) as advance:
        made = generate.generate(folder / "source", size, lambda part: advance(part.cost, part.name))
    done = settings.archive.data_dir / f"demo-{generate.VERSION}"
    if done.exists():
        return
    archive = wiring.opened(settings)
    try:
        with _bar(console, "Import", sum(map(size_of, (files for _, files in made)))) as advance:
            refused = _take_in(archive, made, advance)
    finally:
        archive.close()
    for sentence in refused:
        console.print(f"[yellow]left out / laissé de côté:[/] {sentence}")
    if len(refused) == len(made):
        raise Unavailable("demo_refused", "None of the demonstration's files could be stored.")
    if not refused:
        with wiring.people(settings) as access:
            people.invite(access)
            laboratory.fill(Lab(access.db, access.clock, settings.lab))
        done.touch()


def _take_in(archive: Archive, made: Sequence[tuple[Part, Path]], advance: Callable[[float, str], None]) -> list[str]:
    """Imports every part with what the laboratory knows of it, two at a time; returns what was refused, and why."""
    stop, refused = threading.Event(), list[str]()

    def one(part: Part, files: Path) -> None:
        report = import_paths(archive, FilesSettings(), [files], facts=part.facts, retry=True, stop=stop)
        if report.failed:
            bad = report.failed[0]
            refused.append(f"{bad.path.name}: {bad.message} ({bad.code})")
        advance(size_of(files), part.name)

    with ThreadPoolExecutor(2) as pool:
        try:
            for future in as_completed([pool.submit(one, part, files) for part, files in made]):
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return refused


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


@contextmanager
def _bar(console: Console, title: str, total: float) -> Iterator[Callable[[float, str], None]]:
    """A bar to be moved by (step, name of what is done)."""
    columns = (TextColumn("{task.fields[title]:<18}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), TextColumn("{task.description}"), console=console) as progress:
        task = progress.add_task("", total=total, title=title)
        yield lambda step, name: progress.update(task, advance=step, description=name)
