"""`lamelle patient`: which records were merged, and a merge undone; from the machine itself."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lamelle.ops.options import Data, File, settings_of

patient = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Patients: which were merged, and back.")


@patient.command()
def merges(
    identifier: Annotated[str, typer.Argument(help="Any identifier of the patient.")],
    issuer: Annotated[str, typer.Option(help="Who gave the identifier; by default anybody.")] = "",
    data: Data = None,
    file: File = None,
) -> None:
    """List the merges a patient's records took part in, the newest first; records are told by their identifiers."""
    from lamelle.lab import patients
    from lamelle.ops import wiring

    table = Table("merge", "gone", "kept", "by", "said", "undone", "by", box=None)
    with wiring.laboratory(settings_of(data, file)) as lab, lab.db.read() as conn:
        for found in patients.found(conn, identifier, issuer):
            for row in patients.merges(conn, found.id):
                names = (patients.one(conn, number).identifier for number in (row.gone_id, row.kept_id))
                times = (at.isoformat(timespec="seconds") if at else "" for at in (row.said_at, row.undone_at))
                said, undone = times
                table.add_row(str(row.id), *names, row.source, said, undone, row.undone_by)
    Console(width=None if sys.stdout.isatty() else 200, markup=False, highlight=False).print(table)


@patient.command()
def unmerge(
    merge: Annotated[int, typer.Argument(help="Its number, as `lamelle patient merges` shows it.")],
    data: Data = None,
    file: File = None,
) -> None:
    """Undo a merge: identifiers and cases are again whose they were."""
    from lamelle.access.model import WHOLE
    from lamelle.access.room import SYSTEM
    from lamelle.lab import patients
    from lamelle.ops import wiring

    with wiring.laboratory(settings_of(data, file)) as lab:
        patients.unmerge(lab, WHOLE, SYSTEM, merge)
    typer.echo(f"merge {merge} is undone")
