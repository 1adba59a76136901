"""The least a Python tile server can do: know the range, read it, answer. BENCH_FILE and BENCH_INDEX say which."""

import os
import struct
from pathlib import Path
from typing import Any

FILE = os.open(os.environ["BENCH_FILE"], os.O_RDONLY)
INDEX = list(struct.iter_unpack("<QQ", Path(os.environ["BENCH_INDEX"]).read_bytes()))
HEADERS = [("content-type", "image/jpeg")]


async def app(scope: Any, protocol: Any) -> None:
    offset, length = INDEX[int(scope.path.rsplit("/", 1)[1]) - 1]
    protocol.response_bytes(200, HEADERS, os.pread(FILE, length, offset))
