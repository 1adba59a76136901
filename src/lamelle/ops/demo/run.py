"""`lamelle demo`: draws what is missing, takes it in as `lamelle import` does, serves it and says what to click.

Drawing is in `generate`, taking in is the files door's, serving is ops.serve's.
"""

import errno
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lamelle.archive.store import Archive
from lamelle.base import telemetry
from lamelle.base.errors import Unavailable
from lamelle.doors.files.importing import import_paths
from lamelle.doors.files.settings import FilesSettings
from lamelle.ops import config, serve, wiring
from lamelle.ops.config import Settings
from lamelle.ops.demo import generate
from lamelle.ops.demo.generate import Part, Size

FOLDER = Path("demo-data")
PORT = 8080
TRIES = 20
BUSY = frozenset({errno.EADDRINUSE, errno.EACCES})

GUIDE = """
[bold]Lamelle: {url}[/]

  1. Open {url} - a list of invented patients. / Ouvrez {url} : une liste de patients fictifs.
  2. [bold]26H01241[/] breast: H&E, Ki-67 and HER2, sections of one block. / sein : trois coupes d'un même bloc.
     Wheel to zoom, drag to move. / Molette pour zoomer, glisser pour déplacer.
  3. [bold]26H01234[/] colon: from the crypts to the carcinoma. / côlon : des cryptes au carcinome.
  4. [bold]26C00417[/] smear: step through five focal planes. / frottis : parcourez les cinq plans focaux.
  5. [bold]26F00023[/] kidney: three fluorescence channels. / rein : trois canaux de fluorescence.
  6. [bold]26R07731[/] thorax: a CT in the same archive. / thorax : un scanner dans la même archive.

  Your own slide / votre lame :  lamelle import --data {data} slide.svs
  Other viewers, DICOMweb / autres lecteurs :  {url}/dicomweb

  Ctrl-C stops. Nothing here comes from a real person. / Ctrl-C arrête. Rien ne vient d'une personne réelle.
"""


def main(
    folder: Path = FOLDER, *, port: int = PORT, workers: int = 2, size: Size = "full", browser: bool = True
) -> None:
    """Run the demonstration in `folder` until Ctrl-C; a second run finds everything there.

    Raises: Unavailable port_in_use, demo_refused, storage_full.
    """
    console = Console(highlight=False, soft_wrap=True)
    settings = settings_of(folder / f"archive-{size}", free_port(port), workers)
    prepare(settings, folder, size, console)
    url = f"http://localhost:{settings.serve.port}"

    def ready(line: str) -> None:
        console.print(GUIDE.format(url=url, data=settings.archive.data_dir))
        if browser:
            show(url)

    serve.serve(settings, ready)
    console.print("Stopped. / Arrêté.")


def settings_of(data: Path, port: int, workers: int) -> Settings:
    """The environment's settings with the demonstration's archive and port on top."""
    named = {
        "archive.data_dir": data,
        "serve.port": port,
        "serve.workers": workers,
        "log.level": "warning",
    }
    settings = config.load(overrides=named)
    telemetry.configure(settings.log.level, settings.log.format)
    return settings


def free_port(first: int) -> int:
    """`first`, or the next port of this machine that nobody listens on.

    Raises: Unavailable port_in_use.
    """
    for port in range(first, first + TRIES):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno not in BUSY:
                    raise
            else:
                return int(trial.getsockname()[1])
    raise Unavailable("port_in_use", f"The ports {first} to {first + TRIES - 1} are all in use.")


def show(url: str) -> None:
    """Opens a browser that has a window; a machine without a display gets none, and no text browser either."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return
    if type(found) is not webbrowser.GenericBrowser:
        found.open(url)


# -- drawing and taking in -------------------------------------------------------------------------------------------


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
