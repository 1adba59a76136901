"""The least a Python tile server can do: know the range, read it, write it. Arguments: port, file, index of ranges."""

import asyncio
import os
import socket
import struct
import sys
from pathlib import Path
from typing import cast

import uvloop


class Least(asyncio.Protocol):
    """A connection that takes any packet for one request and looks at nothing but the number at its path's end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is not derived from it
        self._socket = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        number = int(data[: data.index(b" HTTP")].rsplit(b"/", 1)[1])
        offset, length = RANGES[number - 1]
        body = os.pread(FILE, length, offset)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length: %d\r\n\r\n" % length
        sent = os.writev(self._socket, (head, body))
        if sent < len(head) + length:
            self._transport.write((head + body)[sent:])


async def main(listener: socket.socket) -> None:
    await (await asyncio.get_running_loop().create_server(Least, sock=listener)).serve_forever()


if __name__ == "__main__":
    PORT, FILE = int(sys.argv[1]), os.open(sys.argv[2], os.O_RDONLY)
    RANGES = list(struct.iter_unpack("<QQ", Path(sys.argv[3]).read_bytes()))
    with socket.create_server(("127.0.0.1", PORT), backlog=1024) as shared:
        shared.setblocking(False)  # two accept from it: the slower must not wait where the other was quicker
        child = os.fork()
        try:
            uvloop.run(main(shared))
        finally:
            if child:
                os.kill(child, 15)
