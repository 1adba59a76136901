"""Who is looking, and in which language. Until sign-in exists everyone on this machine may read."""

from fastapi import APIRouter, Request

from lamelle.access.model import Action, Purpose
from lamelle.doors.web.identity import Right, Session
from lamelle.doors.web.settings import WebSettings


def rights(settings: WebSettings) -> list[Right]:
    """What whoever looks may see."""
    return ["read", "label"] if settings.show_labels else ["read"]


def router(settings: WebSettings) -> APIRouter:
    routes = APIRouter()

    @routes.get("/session")
    def session(request: Request) -> Session:
        return Session(
            signed_in=True,
            required=False,
            step="",
            id=0,
            login="",
            name="",
            rights=rights(settings),
            languages=languages(request),
            purpose=Purpose.CARE,
            purposes=list(Purpose),
            roles=[],
            establishment="",
            actions=list(Action),
            providers=[],
            demo=[],
            csrf="",
            until=None,
        )

    return routes


def languages(request: Request) -> list[str]:
    """What the browser asks for, the first wanted first."""
    asked = request.headers.get("accept-language", "")
    found = (part.partition(";")[0].strip() for part in asked.split(","))
    return [name for name in found if name]
