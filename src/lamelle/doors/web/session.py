"""Who is looking, and in which language. Until sign-in exists everyone on this machine may read."""

from fastapi import APIRouter, Request

from lamelle.archive.store import Archive
from lamelle.doors.web.models import Session


def router(archive: Archive) -> APIRouter:
    routes = APIRouter()

    @routes.get("/session")
    def session(request: Request) -> Session:
        asked = request.headers.get("accept-language", "")
        languages = [part.partition(";")[0].strip() for part in asked.split(",")]
        return Session(name="", rights=["read", "label"], languages=[name for name in languages if name])

    return routes
