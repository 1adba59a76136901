"""The `lamelle` command: parses, calls a room, prints. Exit codes: 0 well, 1 problems found, 2 used wrongly."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from lamelle import __version__
from lamelle.base.errors import Invalid, LamelleError, NotFound
from lamelle.ops import config, signals
from lamelle.ops.auditing import audit
from lamelle.ops.config import Settings
from lamelle.ops.hl7 import hl7
from lamelle.ops.options import Data, File, settings_of
from lamelle.ops.patients import patient
from lamelle.ops.peers import dicom
from lamelle.ops.people import place, token, user

if TYPE_CHECKING:
    from lamelle.archive.reconcile import Report

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)

worklist = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Slides to be scanned (Modality Worklist).")
app.add_typer(audit, name="audit")
app.add_typer(dicom, name="dicom")
app.add_typer(hl7, name="hl7")
app.add_typer(patient, name="patient")
app.add_typer(user, name="user")
app.add_typer(place, name="place")
app.add_typer(token, name="token")
app.add_typer(worklist, name="worklist")


def existing(settings: Settings, *, catalogue: bool) -> Settings:
    """The settings of an archive that is there: a wrong folder must not pass for an empty, sound archive.

    Raises: NotFound no_such_archive, no_catalogue.
    """
    folder = settings.archive.data_dir
    if not settings.archive.blob_url and not (folder / "blobs").is_dir():
        raise NotFound("no_such_archive", f"there is no archive in {folder}")
    if catalogue and not settings.archive.database_url and not (folder / "catalogue.sqlite3").is_file():
        raise NotFound("no_catalogue", f"the catalogue in {folder} is gone; `lamelle rebuild` makes it again")
    return settings


@app.command()
def serve(
    data: Data = None,
    file: File = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (serve.host).")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes any free one (serve.port).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that answer (serve.workers).")] = None,
    dimse_port: Annotated[int | None, typer.Option(help="Port of the DICOM network (dimse.port).")] = None,
    aet: Annotated[str | None, typer.Option(help="AE title on the DICOM network (dimse.aet).")] = None,
) -> None:
    """Serve the archive: DICOMweb, the DICOM network, the viewer, watched folders and jobs."""
    from lamelle.ops import serve as serving

    own = {"serve__host": host, "serve__port": port, "serve__workers": workers}
    settings = settings_of(data, file, **own, dimse__port=dimse_port, dimse__aet=aet)
    serving.serve(settings, lambda line: print(line, flush=True))


@app.command()
def jobs(data: Data = None, file: File = None) -> None:
    """Run jobs and watched folders without answering requests; `serve` does this by itself."""
    from lamelle.ops import serve as serving

    serving.tend(settings_of(data, file))


@app.command(name="import")
def import_(
    paths: Annotated[list[Path], typer.Argument(help="Slides, DICOM files, or folders of them.", exists=True)],
    data: Data = None,
    file: File = None,
    retry: Annotated[bool, typer.Option(help="Try again what was refused before.")] = False,
    place: Annotated[int | None, typer.Option(help="Number of the place that new studies belong to.")] = None,
) -> None:
    """Take slides and DICOM files into the archive; run again, it does what is left."""
    from lamelle.doors.files import importing
    from lamelle.ops import wiring

    settings = settings_of(data, file)
    console, stop = Console(highlight=False, soft_wrap=True), threading.Event()
    signals.on_end(stop.set, (signal.SIGTERM,))
    archive = wiring.opened(settings)
    try:
        with bar("Importing", sizes=True) as advance:
            report = importing.import_paths(
                archive,
                settings.files,
                paths,
                lambda moment: advance(moment.all_done, moment.all_size),
                retry=retry,
                place=place,
                stop=stop,
            )
    finally:
        archive.close()
    for one in report.failed:
        console.print(f"{one.status}: {one.path}: {one.message} ({one.code})", markup=False)
    counts = [f"{report.count(kind)} {kind}" for kind in get_args(importing.Status) if report.count(kind)]
    console.print(
        f"{', '.join(counts) or 'nothing found'}; {report.size} bytes in {report.seconds:.1f} s", markup=False
    )
    if report.stopped:
        console.print(f"stopped before the end: {report.stopped}", markup=False)
    if report.failed or report.stopped:
        raise typer.Exit(1)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where drawings and the archive of the demonstration go.")] = Path(
        "demo-data"
    ),
    port: Annotated[int, typer.Option(help="First port to try.")] = 8080,
    small: Annotated[bool, typer.Option("--small", help="Draw small slides, for a quick look or a test.")] = False,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Draw slides, store them, serve them and say what to click; all patients are invented."""
    from lamelle.ops.demo import run

    run.main(folder, port=port, size="small" if small else "full", browser=browser)


@worklist.command(name="put")
def worklist_put(
    files: Annotated[list[Path], typer.Argument(help="DICOM (.wl, .dcm) or DICOM JSON files.", exists=True)],
    place: Annotated[int, typer.Option(help="Number of the place whose laboratory it is.")] = 1,
    data: Data = None,
    file: File = None,
) -> None:
    """Put scheduled procedure steps on the worklist, all or none; a step put again is replaced."""
    from lamelle.lab import items, schedule
    from lamelle.ops import wiring

    read = []
    for path in files:
        try:
            read += items.read(path.read_bytes())
        except LamelleError as error:
            raise Invalid(error.code, f"{path}: {error.message}") from error
    with wiring.laboratory(settings_of(data, file)) as lab:
        outcomes = schedule.put(lab, place, read)
    counts = [f"{outcomes.count(kind)} {kind}" for kind in get_args(schedule.Outcome) if kind in outcomes]
    typer.echo(", ".join(counts))


@worklist.command(name="list")
def worklist_list(data: Data = None, file: File = None) -> None:
    """List the scheduled procedure steps by their start; no patient is named."""
    from lamelle.lab import schedule
    from lamelle.ops import wiring

    table = Table("step", "status", "start", "station", "accession", "slides", "study", box=None)
    with wiring.laboratory(existing(settings_of(data, file), catalogue=True)) as lab:
        for entry in schedule.entries(lab):
            many = ", ".join(entry.stations), entry.accession_number, ", ".join(entry.containers)
            table.add_row(entry.step_id, entry.status, entry.start, *many, entry.study_uid)
    Console(width=None if sys.stdout.isatty() else 200, markup=False).print(table)


@worklist.command(name="remove")
def worklist_remove(
    step: Annotated[str, typer.Argument(help="Scheduled Procedure Step ID.")],
    study: Annotated[str | None, typer.Option(help="Its Study Instance UID, if several have it.")] = None,
    data: Data = None,
    file: File = None,
) -> None:
    """Take a scheduled procedure step off the worklist."""
    from lamelle.lab import schedule
    from lamelle.ops import wiring

    with wiring.laboratory(existing(settings_of(data, file), catalogue=True)) as lab:
        typer.echo(f"{schedule.remove(lab, step, study)} removed")


@app.command()
def match(
    every: Annotated[bool, typer.Option("--all", help="Those that have their slide, too.")] = False,
    data: Data = None,
    file: File = None,
) -> None:
    """Have the labels of stored slides read, and the slides of their cases found, by the jobs of `serve`."""
    from lamelle.lab import scanning
    from lamelle.ops import wiring

    with wiring.laboratory(existing(settings_of(data, file), catalogue=True)) as lab:
        typer.echo(f"{scanning.again(lab, every=every)} slides will be looked at")


@app.command()
def move(
    study: Annotated[str, typer.Argument(help="Study Instance UID.")],
    place: Annotated[int, typer.Argument(help="Number of the place it will belong to.")],
    reason: Annotated[str, typer.Option(help="Why; the ledger keeps it.")] = "",
    data: Data = None,
    file: File = None,
) -> None:
    """Give a study to another place: who sees it changes at once."""
    from lamelle.access.room import SYSTEM
    from lamelle.archive import moving
    from lamelle.ops import wiring

    archive = wiring.opened(existing(settings_of(data, file), catalogue=True))
    try:
        moving.move(archive.db, archive.clock, SYSTEM, study, place, reason)
    finally:
        archive.close()
    typer.echo(f"the study belongs to place {place}")


@app.command()
def verify(data: Data = None, file: File = None) -> None:
    """Read every kept byte and compare it with the catalogue."""
    from lamelle.archive import reconcile

    _reconcile("Verifying", reconcile.verify, existing(settings_of(data, file), catalogue=True))


@app.command()
def rebuild(data: Data = None, file: File = None) -> None:
    """Make the catalogue again from the kept files alone; not while the archive is served."""
    from lamelle.archive import reconcile
    from lamelle.ops import serve as serving

    settings = existing(settings_of(data, file), catalogue=False)
    with serving.held(serving.writable(settings.archive.data_dir)):
        _reconcile("Rebuilding", reconcile.rebuild, settings)


def _reconcile(title: str, work: "Callable[..., Report]", settings: Settings) -> None:
    from lamelle.ops import wiring

    archive = wiring.opened(settings)
    try:
        with bar(title) as advance:
            report = work(archive.db, archive.blobs, advance)
    finally:
        archive.close()
    console = Console()
    for name in ("missing", "altered", "unreadable", "orphaned"):
        for key in getattr(report, name):
            console.print(f"{name}: {key}", highlight=False, soft_wrap=True)
    console.print(f"{report.instances} instances, {report.size} bytes: {'sound' if report.sound else 'NOT sound'}")
    if not report.sound:
        raise typer.Exit(1)


@contextmanager
def bar(title: str, sizes: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, silent when that is no terminal; `sizes`: of bytes, not of things."""
    count = DownloadColumn() if sizes else MofNCompleteColumn()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@app.command()
def doctor(data: Data = None, file: File = None) -> None:
    """Check what this machine lacks: Python, libraries, codecs, disk, database, port, memory, clock."""
    from lamelle.ops import doctor as checks

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    marks = {"ok": "[green]ok[/]", "advice": "[yellow]advice[/]", "problem": "[red]PROBLEM[/]"}
    worst = False
    for finding in checks.examine(settings_of(data, file)):
        console.print(f"{marks[finding.status]:>18}  {finding.name}: {finding.detail}")
        if finding.advice:
            console.print(f"         {finding.advice}")
        worst = worst or finding.status == "problem"
    if worst:
        raise typer.Exit(1)


@app.command(name="settings")
def show_settings(data: Data = None, file: File = None) -> None:
    """Print the effective settings, without secrets."""
    table = Table("setting", "value", "variable", box=None)
    for name, value in config.shown(settings_of(data, file)).items():
        table.add_row(name, value, config.variable(name))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run the command; an error of ours is one sentence, never a traceback."""
    try:
        app()
    except LamelleError as error:
        print(f"lamelle: {error.message} ({error.code})", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, Invalid) and error.code == "bad_setting" else 1) from None
