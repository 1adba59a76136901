"""`lamelle audit`: verify the ledger, and export it. Both are entries of it themselves."""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from lamelle.base.errors import Invalid
from lamelle.ops.options import Data, File, settings_of

if TYPE_CHECKING:
    from lamelle.audit.room import Audit

audit = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The ledger of who did what (audit).")

Since = Annotated[str, typer.Option("--from", help="From this time on, as 2026-01-31 or 2026-01-31T08:00 (UTC).")]
Until = Annotated[str, typer.Option("--to", help="Up to this time, which no longer belongs to it.")]


@audit.command(name="verify")
def verify_(
    data: Data = None,
    file: File = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Copy of checkpoints.jsonl or of an export in jsonl, kept elsewhere.", exists=True),
    ] = None,
) -> None:
    """Read the whole ledger and name the first entry that was altered, removed or reordered."""
    from lamelle.audit import state, verify
    from lamelle.ops.cli import bar

    with _room(data, file) as room:
        with bar("Verifying") as advance:
            files = (room.checkpoint_file, *(against or ()))
            report = verify.verify(room.db, room.trusted, files, advance)
        room.record(state.verified(report, user=_user()))
        key = room.key.id
    for one in report.findings:
        typer.echo(str(one))
    verdict = "sound" if report.sound else f"NOT sound, first at entry {report.findings[0].number}"
    typer.echo(f"{report.entries} entries, signed up to {report.signed_to} with {key}: {verdict}")
    if not report.sound:
        raise typer.Exit(1)


@audit.command()
def export(
    form: Annotated[
        Literal["jsonl", "csv", "fhir", "dicom"],
        typer.Option(
            "--format", help="jsonl (with hashes and checkpoints), csv, fhir (AuditEvent), dicom (PS3.15 A.5)."
        ),
    ] = "jsonl",
    since: Since = "",
    until: Until = "",
    patient: Annotated[str, typer.Option(help="Only of this Patient ID.")] = "",
    issuer: Annotated[str, typer.Option(help="Of this issuer.")] = "",
    study: Annotated[str, typer.Option(help="Only of this Study Instance UID.")] = "",
    actor: Annotated[str, typer.Option(help="Only what this person or program did.")] = "",
    output: Annotated[Path | None, typer.Option(help="File to write; none: standard output.")] = None,
    data: Data = None,
    file: File = None,
) -> None:
    """Write the ledger, or a part of it, for others to read."""
    from lamelle.audit import export as exporting
    from lamelle.audit.model import Entry
    from lamelle.audit.search import Wanted

    wanted = Wanted(patient, issuer, study, actor, since=_moment(since), until=_moment(until))
    with _room(data, file) as room:
        asked = {"from": since, "to": until, "actor": actor}
        detail = {"user": _user(), "format": form, **{name: text for name, text in asked.items() if text}}
        asked_of = Entry("system", "audit_export", patient_id=patient, issuer=issuer, study_uid=study, detail=detail)
        room.record(asked_of)
        with _private(output) if output else nullcontext(sys.stdout) as target:
            for line in exporting.lines(room.db, form, wanted, room.source):
                target.write(line)


@contextmanager
def _room(data: Path | None, file: Path | None) -> "Iterator[Audit]":
    """The ledger of an archive that is there, with all that waited sealed; what the command records is sealed too."""
    from lamelle.ops import wiring
    from lamelle.ops.cli import existing

    settings = existing(settings_of(data, file), catalogue=True)
    archive = wiring.opened(settings)
    try:
        room = wiring.audit(archive, settings)
        room.seal(room.key)
        yield room
        room.seal(room.key)
    finally:
        archive.close()


def _private(path: Path) -> TextIO:
    """A file for its owner's eyes: it names patients."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    return os.fdopen(fd, "w", encoding="utf-8", newline="")


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid("bad_time", f"{text!r:.40} is no time like 2026-01-31 or 2026-01-31T08:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _user() -> str:
    """Who is at the console."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
