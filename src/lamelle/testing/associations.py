"""Several nodes in one process, whose associations are socket pairs: DIMSE between archives without a network."""

import socket
import threading
from collections.abc import Callable, Sequence

from lamelle.base.errors import LamelleError, Unavailable
from lamelle.doors.dimse import association, services
from lamelle.doors.dimse.association import Association, Proposal
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.settings import DimseSettings, Peer

Answering = Callable[[Node, Association], None]


class Network:
    """Stands for `association.connect`: who is on it is reached by AE title, others are unreachable."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.count = 0
        """Associations opened."""
        self.answering: Answering = _answer_all
        self._threads: list[threading.Thread] = []

    def join(self, node: Node) -> Node:
        """Put a node on the network."""
        self.nodes[node.settings.aet] = node
        return node

    def connect(self, peer: Peer, contexts: Sequence[Proposal], settings: DimseSettings) -> Association:
        """As `association.connect`."""
        node = self.nodes.get(peer.aet)
        if node is None:
            raise Unavailable("peer_unreachable", f"{peer.aet} cannot be reached")
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=self._serve, args=(node, theirs))
        self._threads.append(thread)
        thread.start()
        self.count += 1
        return association.open_on(ours, peer, contexts, settings)

    def close(self) -> None:
        """Wait for the end of every association."""
        for thread in self._threads:
            thread.join()

    def _serve(self, node: Node, sock: socket.socket) -> None:
        try:
            opened = association.accept(sock, node.settings, services.Host(node), address="127.0.0.1")
            try:
                self.answering(node, opened)
            finally:
                opened.abort()
        except LamelleError:
            return  # the other side has its own error


def _answer_all(node: Node, opened: Association) -> None:
    while (message := opened.receive()) is not None:
        services.answer(node, opened, message)
