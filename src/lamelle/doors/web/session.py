"""Who is looking, and in which language. Until sign-in exists everyone on this machine may read."""

from fastapi import APIRouter, Request

from lamelle.doors.web.models import Right, Session
from lamelle.doors.web.settings import WebSettings


def rights(settings: WebSettings) -> list[Right]:
    """What whoever looks may see."""
    return ["read", "label"] if settings.show_labels else ["read"]


def router(settings: WebSettings) -> APIRouter:
    routes = APIRouter()

    @routes.get("/session")
    def session(request: Request) -> Session:
        asked = request.headers.get("accept-language", "")
        languages = [part.partition(";")[0].strip() for part in asked.split(",")]
        return Session(name="", rights=rights(settings), languages=[name for name in languages if name])

    return routes
