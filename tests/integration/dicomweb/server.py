"""A node of the DICOMweb door alone, for clients that need a real server."""

import os
import sys
from pathlib import Path
from typing import Any


def application() -> Any:
    """What uvicorn serves."""
    from starlette.applications import Starlette

    from lamelle.archive.store import Archive, ArchiveSettings
    from lamelle.base.errors import LamelleError
    from lamelle.doors import http
    from lamelle.doors.dicomweb.frames import FramesFastPath
    from lamelle.doors.dicomweb.routes import mount
    from lamelle.testing.guarded import open_to_all

    archive = Archive.open(ArchiveSettings(data_dir=Path(os.environ["LAMELLE_TEST_DATA"]), reserve_bytes=0))
    app = Starlette(routes=[mount(archive)], exception_handlers={LamelleError: http.answer_error})
    print("serving", flush=True)
    return open_to_all(FramesFastPath(app, archive))


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(
        application(), host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False, lifespan="off"
    )
