"""What the DIMSE door can be told, with units and reasons; ops/config fills it, nothing here reads the environment."""

from dataclasses import dataclass
from typing import Literal

from lamelle.access.model import FIRST_PLACE
from lamelle.base import tls
from lamelle.base.errors import Invalid

Right = Literal["store", "find", "move", "get", "commit", "worklist", "mpps", "notify"]


@dataclass(frozen=True, slots=True)
class Peer:
    """An application entity that is known here: who may ask for what, and where we reach it."""

    aet: str
    """Its AE title."""
    host: str = ""
    """Its address; asked from elsewhere under this title, it is refused. Empty: any address may use the title."""
    port: int = 0
    """Where it listens; 0: we never open an association to it."""
    rights: frozenset[Right] = frozenset({"store"})
    """What it may ask of us, beside an echo; `notify`: it tells us what it has, and is told what we have."""
    tls: bool = False
    """Whether we open associations to it with TLS."""
    place: int = FIRST_PLACE
    """Number of the place it stands in: what it stores belongs there, and it sees and is sent that establishment's."""
    labels: bool = True
    """Whether it finds and is sent labels and overviews of slides, which name the patient."""
    certificate: str = ""
    """Common name or subject alternative name of its certificate; under its title nobody else is let in. Empty: any."""

    def __post_init__(self) -> None:
        check_title(self.aet)
        if not 0 <= self.port <= 65535:
            raise Invalid("bad_setting", f"the port of {self.aet} is {self.port}; allowed: 0 to 65535")


@dataclass(frozen=True, slots=True)
class DimseSettings:
    """Settings of the DICOM network."""

    port: int | None = None
    """TCP port (11112 is registered for DICOM, 2762 for DICOM over TLS); 0 takes any free one; none: not served."""
    host: str = "127.0.0.1"
    """Address to listen on; one that others reach needs `dimse.peers`."""
    aet: str = "LAMELLE"
    """Our AE title: an association called otherwise is refused."""
    peers: tuple[Peer, ...] = ()
    """Who may open an association, each with its rights; empty: any title, from this machine only, with all rights."""
    workers: int = 2
    """Processes behind the port; one for each core, as one process uses one core."""
    associations: int = 64
    """Associations open at once in each process; more are refused as a temporary congestion."""
    max_pdu_bytes: int = 256 << 10
    """Largest PDU we ask for: more is no faster here, and some senders reserve all of it at once."""
    acse_timeout_s: float = 30.0
    """From a connection to its complete association request, TLS handshake included; also for our own requests."""
    find_limit: int = 10_000
    """Answers to one C-FIND; the last status then says that there are more."""
    idle_timeout_s: float = 600.0
    """How long an association may be silent between two messages: scanners keep one open between slides."""
    network_timeout_s: float = 60.0
    """How long a peer may be silent within a message, or not read what we send."""
    min_bytes_s: int = 1000
    """Slowest peer within a message, measured after network_timeout_s: slower ones only hold a place."""
    tls_cert: str = ""
    """PEM file of our certificate and those that vouch for it; set: only TLS connections are accepted."""
    tls_key: str = ""
    """PEM file of our private key; empty: it lies in tls_cert."""
    tls_ca: str = ""
    """PEM file of the authorities that vouch for peers; empty: clients need no certificate, servers a public one."""
    tls_require_client: bool = True
    """Whether, with tls_ca, a client without a certificate is refused."""

    def __post_init__(self) -> None:
        check_title(self.aet)
        for name, low, high in (
            ("workers", 1, 256),
            ("associations", 1, 10_000),
            ("max_pdu_bytes", 4096, 16 << 20),
            ("find_limit", 1, 10_000_000),
            ("port", 0, 65535),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise Invalid("bad_setting", f"dimse.{name} is {value}; allowed: {low} to {high}")
        if len({peer.aet for peer in self.peers}) != len(self.peers):
            raise Invalid("bad_setting", "dimse.peers names an AE title twice")
        if any(peer.certificate for peer in self.peers) and not (self.tls_cert and self.tls_ca):
            raise Invalid("bad_setting", "a peer's certificate is seen only with dimse.tls_cert and dimse.tls_ca")

    @property
    def certificates(self) -> tls.Certificates:
        """The files of a secured connection."""
        return tls.Certificates(self.tls_cert, self.tls_key, self.tls_ca, "dimse.tls_cert, tls_key or tls_ca")

    @property
    def processes(self) -> int:
        """How many processes stand behind the port."""
        return 0 if self.port is None else self.workers

    def peer(self, aet: str) -> Peer | None:
        """The peer of that title."""
        return next((peer for peer in self.peers if peer.aet == aet.strip()), None)


def check_title(aet: str) -> None:
    """Raises: Invalid bad_setting. Source: PS3.5 6.2, VR AE."""
    if not (0 < len(aet) <= 16 and aet == aet.strip() and aet.isascii() and aet.isprintable() and "\\" not in aet):
        raise Invalid("bad_setting", f"{aet!r} is no AE title: 1 to 16 ASCII characters, no backslash")
