"""DELETE of a study, series or instance: 204, and 410 Gone from then on.

Not in PS3.18; the address and the statuses are those other archives use.
"""

from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lamelle.archive import lifecycle
from lamelle.doors import guard
from lamelle.doors.dicomweb.answers import Door, uids


class Remove:
    """The three resources that can be deleted."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def routes(self) -> list[Route]:
        if not self._door.settings.deletable:
            return []
        series = "/studies/{study}/series/{series}"
        levels = ("/studies/{study}", series, f"{series}/instances/{{instance}}")
        return [Route(level, self.delete, methods=["DELETE"]) for level in levels]

    async def delete(self, request: Request) -> Response:
        archive = self._door.archive
        reach, grace_s = guard.reach(request), archive.settings.purge_grace_s
        delete = partial(
            lifecycle.delete, archive.db, archive.blobs, archive.clock, reach, *uids(request), grace_s=grace_s
        )
        await run_in_threadpool(delete)
        return Response(status_code=204)
