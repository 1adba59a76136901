"""What each role may do, as the table of `decide` says it."""

from typing import Final, Literal

from fastapi import APIRouter

from lamelle.access.decide import TABLE
from lamelle.access.model import Within
from lamelle.doors.web.identity import Grant

Far = Literal["shared", "department", "establishment", "everywhere"]
FAR: Final[dict[Within, Far]] = {
    Within.SHARED: "shared",
    Within.DEPARTMENT: "department",
    Within.ESTABLISHMENT: "establishment",
    Within.EVERYWHERE: "everywhere",
}


def router() -> APIRouter:
    routes = APIRouter()

    @routes.get("/roles")
    def roles() -> list[Grant]:
        return [
            Grant(role=role, purpose=purpose, action=action, within=FAR[within])
            for (role, purpose), actions in TABLE.items()
            for action, within in actions.items()
        ]

    return routes
