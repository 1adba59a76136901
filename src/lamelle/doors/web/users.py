"""People, their roles and places, as far as an administrator governs them; the rules are in access.governing."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request

from lamelle.access import governing, places
from lamelle.access.governing import Person, Wanted
from lamelle.access.places import Place
from lamelle.access.room import Access
from lamelle.base.errors import Invalid, NotFound
from lamelle.doors import guard
from lamelle.doors.web import signed
from lamelle.doors.web.identity import (
    OneTimePassword,
    PlaceChange,
    PlaceItem,
    PlaceNew,
    RoleNew,
    UserChange,
    UserItem,
    UserMade,
    UserNew,
    UserPage,
)
from lamelle.doors.web.session import role_item

MOST = 1 << 40


def router(access: Access) -> APIRouter:
    routes = APIRouter()

    @routes.get("/users")
    def users(
        request: Request,
        q: str = "",
        limit: Annotated[int, Query(ge=1, le=governing.MOST)] = 50,
        offset: Annotated[int, Query(ge=0, le=MOST)] = 0,
    ) -> UserPage:
        found, total = governing.persons(access, guard.caller(request), q, limit, offset)
        return UserPage(items=[user_item(one) for one in found], total=total)

    @routes.post("/users", status_code=201)
    def add(request: Request, given: UserNew) -> UserMade:
        """An account; the one-time password of a person is told this once."""
        by = guard.caller(request)
        number, password = governing.add(
            access,
            by,
            given.login,
            [_wanted(one) for one in given.roles],
            name=given.name,
            email=given.email,
            rpps=given.rpps,
            kind=given.kind,
        )
        return UserMade(user=user_item(governing.person(access, by, number)), password=password)

    @routes.patch("/users/{number}")
    def change(request: Request, number: int, given: UserChange) -> UserItem:
        by = guard.caller(request)
        governing.change(access, by, number, **given.model_dump(exclude_none=True))
        return user_item(governing.person(access, by, number))

    @routes.post("/users/{number}/password")
    def password(request: Request, number: int) -> OneTimePassword:
        """A one-time password, told this once."""
        return OneTimePassword(password=governing.one_time_password(access, guard.caller(request), number))

    @routes.delete("/users/{number}/sessions", status_code=204)
    def end_sessions(request: Request, number: int) -> None:
        governing.end_sessions(access, guard.caller(request), number)

    @routes.delete("/users/{number}/totp", status_code=204)
    def remove_totp(request: Request, number: int) -> None:
        governing.remove_factor(access, guard.caller(request), number)

    @routes.post("/users/{number}/roles", status_code=201)
    def appoint(request: Request, number: int, given: RoleNew) -> UserItem:
        by = guard.caller(request)
        governing.appoint(access, by, number, _wanted(given))
        return user_item(governing.person(access, by, number))

    @routes.delete("/users/{number}/roles/{membership}", status_code=204)
    def dismiss(request: Request, number: int, membership: int) -> None:
        governing.dismiss(access, guard.caller(request), number, membership)

    @routes.get("/places")
    def all_places(request: Request) -> list[PlaceItem]:
        """Every place: who works here may know what the houses are called."""
        guard.caller(request)
        with access.db.read() as conn:
            return [place_item(one) for one in places.tree(conn)]

    @routes.post("/places", status_code=201)
    def add_place(request: Request, given: PlaceNew) -> PlaceItem:
        by = guard.caller(request)
        number = governing.add_place(access, by, given.kind, given.name, given.parent, given.finess)
        signed.forget(request)  # the roles of who made it reach it from now on
        return _place(access, number)

    @routes.patch("/places/{number}")
    def change_place(request: Request, number: int, given: PlaceChange) -> PlaceItem:
        governing.change_place(access, guard.caller(request), number, given.name, given.finess)
        return _place(access, number)

    return routes


def user_item(one: Person) -> UserItem:
    """An account as the pages show it."""
    return UserItem(
        id=one.id,
        login=one.login,
        name=one.name,
        email=one.email,
        rpps=one.rpps,
        kind=one.kind,
        disabled=one.disabled,
        roles=[role_item(held) for held in one.roles],
        last_at=one.last_at.isoformat() if one.last_at else None,
        totp=one.totp,
    )


def place_item(one: Place) -> PlaceItem:
    """A place as the pages show it."""
    return PlaceItem(id=one.id, kind=one.kind, parent=one.parent_id, name=one.name, finess=one.finess)


def _place(access: Access, number: int) -> PlaceItem:
    with access.db.read() as conn:
        for one in places.tree(conn):
            if one.id == number:
                return place_item(one)
    raise NotFound("no_such_place", f"there is no place {number}")


def _wanted(given: RoleNew) -> Wanted:
    try:
        until = datetime.fromisoformat(given.until) if given.until else None
    except ValueError as error:
        raise Invalid("bad_date", "a date is written as ISO 8601 has it") from error
    return Wanted(given.role, given.place, until and (until if until.tzinfo else until.replace(tzinfo=UTC)))
