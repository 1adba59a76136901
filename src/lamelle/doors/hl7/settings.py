"""What the HL7 door can be told, with units and reasons; ops/config fills it, nothing here reads the environment."""

import ipaddress
from dataclasses import dataclass

from lamelle.access.model import FIRST_PLACE
from lamelle.base import tls
from lamelle.base.errors import Invalid


@dataclass(frozen=True, slots=True)
class Peer:
    """A laboratory system, an identity server, an interface engine: who sends to us, and whom we tell."""

    name: str
    """What it is called here: in the console, in the log, as the source of its reports."""
    dialect: str = "standard"
    """How it speaks: a table of the package (standard, orm), or a TOML file."""
    place: int = 1
    """Number of the place whose laboratory it is: its cases belong there."""
    addresses: tuple[str, ...] = ()
    """Addresses or networks it sends from; empty: any that reaches us."""
    application: str = ""
    """Its MSH-3; empty: any. Two peers behind one interface engine are told apart by it."""
    facility: str = ""
    """Its MSH-4, too."""
    host: str = ""
    """Where we reach it; empty: it is told nothing."""
    port: int = 0
    """TCP port there."""
    tls: bool = False
    """Whether we connect to it with TLS."""
    certificate: str = ""
    """Common name or subject alternative name of its certificate, with hl7.tls_ca; empty: any."""
    tells: frozenset[str] = frozenset({"image", "rescan", "technique", "report"})
    """News it is told, of those its dialect has a template for."""
    silence_s: int = 0
    """Seconds without a message after which the console raises an alarm; 0: never."""

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable() or len(self.name) > 64:
            raise Invalid("bad_setting", "a peer of hl7.peers has no name, or one over 64 characters")
        if not 0 <= self.port <= 65535 or self.silence_s < 0 or self.place < FIRST_PLACE:
            raise Invalid("bad_setting", f"port, place or silence_s of {self.name} is out of bounds")
        for network in self.addresses:
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                raise Invalid("bad_setting", f"{network!r:.60} of {self.name} is no address or network") from None

    @property
    def reached(self) -> bool:
        """Whether we can send to it."""
        return bool(self.host and self.port)

    def sends_from(self, address: str) -> bool:
        """Whether a connection from there may be its."""
        if not self.addresses:
            return True
        try:
            at = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        at = getattr(at, "ipv4_mapped", None) or at
        return any(at in ipaddress.ip_network(network, strict=False) for network in self.addresses)


@dataclass(frozen=True, slots=True)
class Hl7Settings:
    """Settings of HL7 version 2 over MLLP."""

    port: int | None = None
    """TCP port (2575 is registered for HL7); 0 takes any free one; none: not served."""
    host: str = "127.0.0.1"
    """Address to listen on; one that others reach needs `hl7.peers`."""
    application: str = "LAMELLE"
    """Our MSH-3."""
    facility: str = ""
    """Our MSH-4."""
    peers: tuple[Peer, ...] = ()
    """Who sends to us and whom we tell, each with its dialect; empty: any sender, from this machine only."""
    processing: tuple[str, ...] = ("P",)
    """Values of MSH-11 that are taken: P is production; T (training) and D (debugging) are for tests."""
    link: str = ""
    """Address of our pages as browsers reach it, told in a link that opens the case; empty: access.public_url."""
    connections: int = 64
    """Connections open at once; more are closed at once."""
    max_bytes: int = 16 << 20
    """Largest message; one that is larger is answered AR and skipped."""
    idle_timeout_s: float = 86400.0
    """How long a connection may be silent between two messages: systems keep one open for days."""
    network_timeout_s: float = 60.0
    """How long a peer may be silent within a message, or not read an answer; also for the TLS handshake."""
    answer_timeout_s: float = 30.0
    """How long we wait for the answer to a message of ours before it is sent again."""
    keep_days: int = 400
    """Days until what a message says, which names patients, is removed once it is done or sent; 0: never. A little over
    a year: a yearly review still finds it, and cases hold what matters of it. What waits for a person stays."""
    attempts: int = 5
    """Times a message of ours is sent that is answered with an error, before it waits for a person."""
    tls_cert: str = ""
    """PEM file of our certificate and those that vouch for it; set: only TLS connections are accepted."""
    tls_key: str = ""
    """PEM file of our private key; empty: it lies in tls_cert."""
    tls_ca: str = ""
    """PEM file of the authorities that vouch for peers; empty: clients need no certificate, servers a public one."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("port", 0, 65535),
            ("connections", 1, 10_000),
            ("max_bytes", 1024, 1 << 30),
            ("keep_days", 0, 36_500),
            ("attempts", 1, 1000),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise Invalid("bad_setting", f"hl7.{name} is {value}; allowed: {low} to {high}")
        if min(self.idle_timeout_s, self.network_timeout_s, self.answer_timeout_s) <= 0:
            raise Invalid("bad_setting", "hl7: timeouts are more than 0 seconds")
        if len({peer.name for peer in self.peers}) != len(self.peers):
            raise Invalid("bad_setting", "hl7.peers names a peer twice")
        if any(peer.certificate for peer in self.peers) and not (self.tls_cert and self.tls_ca):
            raise Invalid("bad_setting", "a peer's certificate is seen only with hl7.tls_cert and hl7.tls_ca")

    @property
    def certificates(self) -> tls.Certificates:
        """The files of a secured connection."""
        return tls.Certificates(self.tls_cert, self.tls_key, self.tls_ca, "hl7.tls_cert, tls_key or tls_ca")

    @property
    def processes(self) -> int:
        """How many processes stand behind the port: one, so that the order of messages is kept."""
        return 0 if self.port is None else 1

    def peer(self, name: str) -> Peer | None:
        """The peer of that name."""
        return next((peer for peer in self.peers if peer.name == name), None)

    @property
    def silence(self) -> dict[str, float]:
        """Each peer, and after how many seconds its silence is an alarm; 0: never."""
        return {peer.name: float(peer.silence_s) for peer in self.peers}
