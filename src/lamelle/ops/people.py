"""`lamelle user`, `lamelle place` and `lamelle token`: who may come in, from the machine itself.

They work while the server runs and before it ever ran; who may run them has the machine's own rights.
"""

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from lamelle.access.model import FIRST_PLACE, Purpose, Role
from lamelle.base.errors import NotFound
from lamelle.ops.options import Data, File, settings_of

if TYPE_CHECKING:
    import sqlalchemy as sa

    from lamelle.access.governing import Wanted
    from lamelle.access.room import Access

user = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="People and service accounts, with their roles.")
place = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Establishments, sites and departments.")
token = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="API tokens of accounts.")

Login = Annotated[str, typer.Argument(help="Login of the account.")]
RoleOption = Annotated[Role | None, typer.Option("--role", help="Role to give.")]
PlaceOption = Annotated[int | None, typer.Option("--place", help="Place of the role; by default the first (1).")]
Everywhere = Annotated[bool, typer.Option("--everywhere", help="Give the role in every place.")]
Stdin = Annotated[bool, typer.Option("--password-stdin", help="Read a password to keep from standard input.")]


@user.command(name="add")
def user_add(
    login: Login,
    role: RoleOption = None,
    place: PlaceOption = None,
    everywhere: Everywhere = False,
    name: Annotated[str, typer.Option(help="Name as others see it.")] = "",
    email: Annotated[str, typer.Option(help="E-mail address.")] = "",
    rpps: Annotated[str, typer.Option(help="RPPS number, eleven digits.")] = "",
    service: Annotated[bool, typer.Option("--service", help="A program: no password, only tokens.")] = False,
    password_stdin: Stdin = False,
    data: Data = None,
    file: File = None,
) -> None:
    """Make an account; prints a one-time password, once, unless one is given."""
    from lamelle.access import governing
    from lamelle.access.room import SYSTEM
    from lamelle.ops import wiring

    given = sys.stdin.readline().rstrip("\n") if password_stdin else ""
    roles = [] if role is None else [_wanted(role, place, everywhere)]
    with wiring.people(settings_of(data, file)) as access:
        _, password = governing.add(
            access,
            SYSTEM,
            login,
            roles,
            name=name,
            email=email,
            rpps=rpps,
            kind="service" if service else "person",
            password=given,
        )
    if password:
        typer.echo(f"{login} signs in once with the password {password} and then chooses another")
    else:
        typer.echo(f"{login} is there")


@user.command(name="list")
def user_list(data: Data = None, file: File = None) -> None:
    """List the accounts with their roles."""
    from lamelle.access import governing
    from lamelle.access.room import SYSTEM
    from lamelle.ops import wiring

    table = Table("login", "name", "kind", "roles", "second factor", "state", box=None)
    with wiring.people(settings_of(data, file)) as access:
        total, shown = 1, 0
        while shown < total:
            found, total = governing.persons(access, SYSTEM, limit=governing.MOST, offset=shown)
            shown += max(len(found), 1)
            for one in found:
                held = ", ".join(f"{each.role.value} in {each.place or 'every place'}" for each in one.roles)
                state = "off" if one.disabled else "on"
                table.add_row(one.login, one.name, one.kind, held, "yes" if one.totp else "no", state)
    _print(table)


@user.command(name="role")
def user_role(
    login: Login,
    role: Annotated[Role, typer.Argument(help="Role to give or to take.")],
    place: PlaceOption = None,
    everywhere: Everywhere = False,
    take: Annotated[bool, typer.Option("--take", help="Take the role back instead.")] = False,
    data: Data = None,
    file: File = None,
) -> None:
    """Give an account a role in a place, or take it back."""
    from lamelle.access import governing, people
    from lamelle.access.room import SYSTEM
    from lamelle.ops import wiring

    wanted = _wanted(role, place, everywhere)
    with wiring.people(settings_of(data, file)) as access:
        with access.db.read() as conn:
            number = people.number(conn, login)
            held = governing.roles(conn, [number]).get(number, [])
        if not take:
            governing.appoint(access, SYSTEM, number, wanted)
            return
        mine = [one for one in held if (one.role, one.place) == (role, wanted.place)]
        if not mine:
            raise NotFound("no_such_membership", f"{login} does not hold this role there")
        for one in mine:
            governing.dismiss(access, SYSTEM, number, one.id)


@user.command(name="disable")
def user_disable(
    login: Login,
    enable: Annotated[bool, typer.Option("--enable", help="Switch it on again instead.")] = False,
    data: Data = None,
    file: File = None,
) -> None:
    """Switch an account off: its sessions and tokens end at once."""
    from lamelle.access import governing, people
    from lamelle.access.room import SYSTEM
    from lamelle.ops import wiring

    with wiring.people(settings_of(data, file)) as access:
        with access.db.read() as conn:
            number = people.number(conn, login)
        governing.change(access, SYSTEM, number, disabled=not enable)


@user.command(name="password")
def user_password(
    login: Login,
    password_stdin: Stdin = False,
    remove_factor: Annotated[bool, typer.Option("--remove-factor", help="Remove the second factor too.")] = False,
    data: Data = None,
    file: File = None,
) -> None:
    """Give an account a one-time password, printed once, or one to keep; its sessions end."""
    from lamelle.access import governing, people
    from lamelle.access.room import SYSTEM
    from lamelle.ops import wiring

    given = sys.stdin.readline().rstrip("\n") if password_stdin else ""
    with wiring.people(settings_of(data, file)) as access:
        with access.db.read() as conn:
            number = people.number(conn, login)
        password = governing.one_time_password(access, SYSTEM, number, given)
        if remove_factor:
            governing.remove_factor(access, SYSTEM, number)
    if not given:
        typer.echo(f"{login} signs in once with the password {password} and then chooses another")


@place.command(name="add")
def place_add(
    name: Annotated[str, typer.Argument(help="Its name.")],
    kind: Annotated[str, typer.Option(help="establishment, site or department.")] = "department",
    within: Annotated[int | None, typer.Option("--in", help="Number of the place it is in.")] = None,
    finess: Annotated[str, typer.Option(help="FINESS number: legal of an establishment, geographic of a site.")] = "",
    data: Data = None,
    file: File = None,
) -> None:
    """Make a place; prints its number."""
    from lamelle.access import governing
    from lamelle.access.room import SYSTEM
    from lamelle.ops import wiring

    kinds: dict[str, Literal["establishment", "site", "department"]] = {
        "establishment": "establishment",
        "site": "site",
        "department": "department",
    }
    if kind not in kinds:
        raise typer.BadParameter("a place is an establishment, a site or a department")
    parent = within if kind == "establishment" else within or FIRST_PLACE
    with wiring.people(settings_of(data, file)) as access:
        typer.echo(governing.add_place(access, SYSTEM, kinds[kind], name, parent, finess))


@place.command(name="list")
def place_list(data: Data = None, file: File = None) -> None:
    """List the places."""
    from lamelle.access import places
    from lamelle.ops import wiring

    table = Table("number", "kind", "in", "name", "FINESS", box=None)
    with wiring.people(settings_of(data, file)) as access, access.db.read() as conn:
        for one in places.tree(conn):
            table.add_row(str(one.id), one.kind, str(one.parent_id or ""), one.name, one.finess)
    _print(table)


@token.command(name="create")
def token_create(
    login: Login,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="As system/ImagingStudy.rs; may stand several times. None: all its roles may."),
    ] = None,
    days: Annotated[int, typer.Option(help="Days that it lives.")] = 90,
    purpose: Annotated[Purpose | None, typer.Option(help="What for; by default the first its roles know.")] = None,
    name: Annotated[str, typer.Option(help="What it is for, to know it again.")] = "",
    role: RoleOption = None,
    place: PlaceOption = None,
    everywhere: Everywhere = False,
    data: Data = None,
    file: File = None,
) -> None:
    """Print a bearer token, once, alone on its line; with --role, its service account is made if it is missing."""
    from lamelle.access import governing
    from lamelle.access.room import SYSTEM
    from lamelle.ops import wiring

    with wiring.people(settings_of(data, file)) as access:
        number = _account(access, login, None if role is None else _wanted(role, place, everywhere))
        secret, _ = governing.make_token(
            access, SYSTEM, number, name, " ".join(scope or ["system/*.cruds"]), days, purpose
        )
    typer.echo(secret)


def _account(access: "Access", login: str, wanted: "Wanted | None") -> int:
    """The account of that login; a service account with that role when there is none."""
    from lamelle.access import governing, people
    from lamelle.access.room import SYSTEM

    with access.db.read() as conn:
        if wanted is None or _is_there(conn, login):
            return people.number(conn, login)
    return governing.add(access, SYSTEM, login, [wanted], kind="service")[0]


def _is_there(conn: "sa.Connection", login: str) -> bool:
    from lamelle.access import people

    try:
        return people.number(conn, login) > 0
    except NotFound:
        return False


@token.command(name="list")
def token_list(data: Data = None, file: File = None) -> None:
    """List the tokens that are good now, with their last use."""
    from lamelle.access import people, tokens
    from lamelle.ops import wiring

    table = Table("number", "login", "name", "scope", "purpose", "until", "last used", box=None)
    with wiring.people(settings_of(data, file)) as access, access.db.read() as conn:
        for one in tokens.of(conn, None, access.clock.now()):
            last = one.last_at.strftime("%Y-%m-%d %H:%M") if one.last_at else "never"
            who = people.login(conn, one.actor_id)
            table.add_row(str(one.id), who, one.name, one.scope, one.purpose.value, f"{one.until:%Y-%m-%d}", last)
    _print(table)


@token.command(name="revoke")
def token_revoke(
    number: Annotated[int, typer.Argument(help="Number of the token, as `lamelle token list` shows it.")],
    data: Data = None,
    file: File = None,
) -> None:
    """Make a token worth nothing."""
    from lamelle.access import governing
    from lamelle.access.room import SYSTEM
    from lamelle.ops import wiring

    with wiring.people(settings_of(data, file)) as access:
        governing.revoke_token(access, SYSTEM, number)


def _wanted(role: Role, place_id: int | None, everywhere: bool) -> "Wanted":
    from lamelle.access.governing import Wanted

    return Wanted(role, None if everywhere else place_id or FIRST_PLACE)


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else 240, markup=False, highlight=False).print(table)
