"""A simulated laboratory information system: real HL7 messages over MLLP, both ways. All it says is invented.

It shares nothing with doors.hl7, as a real one would not: what it writes and reads here is its own.
"""

import itertools
import socket
import socketserver
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lamelle.ops.demo.cases import Case, Patient
from lamelle.ops.demo.laboratory import HOSPITAL, LIS, identity

START, END = b"\x0b", b"\x1c\r"
ANSWER_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Glass:
    """A slide of a case: block, stain, and what the stain is called."""

    block: str
    stain: str
    printed: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order as it is written down at the desk of the laboratory."""

    case: Case
    slides: tuple[Glass, ...]
    department: str
    site: str
    priority: str = "R"
    """R routine, A urgent, S at once. Source: table 0485."""
    frozen: bool = False


def barcode(case: Case, glass: Glass) -> str:
    return f"{case.accession}-{glass.block}-{glass.stain}"


# -- messages ---------------------------------------------------------------------------------------------------------


class Writer:
    """Writes messages, each with a number of its own."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._run = f"{clock():%y%m%d%H%M%S}"

    def head(self, kind: str, profile: str = "") -> str:
        at = f"{self._clock():%Y%m%d%H%M%S}+0000"
        control = f"{self._run}{next(self._numbers):04d}"
        end = f"|||{profile}" if profile else ""
        return f"MSH|^~\\&|{LIS}|{HOSPITAL}|LAMELLE||{at}||{kind}|{control}|P|2.5.1||||||UNICODE UTF-8{end}"

    def order(self, wanted: Wanted, control: str = "NW") -> str:
        """OML^O21: the container, the cassettes and the slides of a case."""
        case, at = wanted.case, f"{self._clock():%Y%m%d%H%M%S}"
        number = f"{case.accession}^{LIS}"
        assets = [(f"{case.accession}-{part}", "", "CONTAINER", "", "") for part in _parts(wanted.slides)]
        assets += [
            (f"{case.accession}-{b}", f"{case.accession}-{b[0]}", "CASSETTE", "", "") for b in _blocks(wanted.slides)
        ]
        assets += [
            (barcode(case, g), f"{case.accession}-{g.block}", "GLASS", g.stain, g.printed) for g in wanted.slides
        ]
        frozen = "FS" if wanted.frozen else ""
        lines = [self.head("OML^O21^OML_O21"), *_patient(case.patient), f"PV1|1|I|{wanted.department}"]
        for n, (name, above, container, stain, printed) in enumerate(assets, 1):
            parent = f"{above}&{LIS}" if above else ""
            lines += [
                f"ORC|{control}|{name}^{LIS}||{number}|IP||||{at}|||^Exemple^Anne",
                f"TQ1|{n}||||||||{wanted.priority}",
                f"OBR|{n}|{name}^{LIS}||{stain}^{printed}^99LAB|||{at}||||{frozen}||{case.title}",
                f"SPM|{n}|{name}&{LIS}|{parent}|TISS^Tissu^HL70487||||^{wanted.site}||||||{case.title}|||{at}|{at}"
                f"{'|' * 9}{container}",
            ]
        return "\r".join(lines) + "\r"

    def report(self, case: Case, text: str, status: str = "F") -> str:
        """ORU^R01: the report of a case."""
        number, at = f"{case.accession}^{LIS}", f"{self._clock():%Y%m%d%H%M%S}"
        lines = [self.head("ORU^R01^ORU_R01"), *_patient(case.patient), f"ORC|RE|{number}"]
        lines.append(f"OBR|1|{number}||60568-3^CR ACP^LN|||{at}|||||||||||||||{at}|||{status}|||||||&Dr Claire Morel")
        said = enumerate(text.splitlines(), 1)
        lines += [f"OBX|{n}|TX|60568-3^CR ACP^LN||{line}||||||{status}" for n, line in said]
        return "\r".join(lines) + "\r"

    def made(self, technique: str, case: Case, glass: Glass) -> str:
        """LAB-103: the technique that was asked for is done, and which slide it is."""
        slide = f"{barcode(case, glass)}&{LIS}"
        lines = [self.head("OML^O21^OML_O21", "DPOW-ACCEPT-WO^IHE"), *_patient(case.patient)]
        lines.append(f"ORC|SC|{technique}^LAMELLE||{case.accession}^{LIS}|CM")
        lines.append(f"OBR|1|{technique}^LAMELLE||{glass.stain}^{glass.printed}^99LAB")
        lines.append(f"SPM|1|{technique}&LAMELLE^{slide}||TISS^Tissu^HL70487")
        return "\r".join(lines) + "\r"

    def merge(self, kept: Patient, gone: Patient) -> str:
        """ADT^A40: two records were one person."""
        said = f"MRG|{gone.patient_id}^^^{HOSPITAL}^PI"
        event = f"EVN||{self._clock():%Y%m%d%H%M%S}"
        return "\r".join([self.head("ADT^A40^ADT_A39"), event, *_patient(kept), said]) + "\r"

    def acknowledge(self, message: str) -> str:
        """ACK: it was taken."""
        head = message.split("\r", maxsplit=1)[0].split("|")
        event = head[8].split("^")[1] if "^" in head[8] else ""
        return f"{self.head(f'ACK^{event}^ACK')}\rMSA|AA|{head[9]}\r"


def _patient(patient: Patient) -> list[str]:
    who = identity(patient)
    ids = f"{patient.patient_id}^^^{HOSPITAL}^PI~{who.ins}^^^ASIP-SANTE-INS-NIR&{who.ins_oid}&ISO^INS"
    names = f"{patient.family}^{patient.given}^^^^^L"
    status = "|" * 24 + who.ins_status
    return [f"PID|1||{ids}||{names}||{who.birth_date}|{patient.sex}{status}"]


def _blocks(slides: Sequence[Glass]) -> list[str]:
    return sorted({glass.block for glass in slides})


def _parts(slides: Sequence[Glass]) -> list[str]:
    return sorted({glass.block[0] for glass in slides})


# -- the wire ---------------------------------------------------------------------------------------------------------


def send(address: tuple[str, int], message: str) -> str:
    """Send a message and wait for its answer. Raises: OSError."""
    with socket.create_connection(address, ANSWER_S) as peer:
        peer.settimeout(ANSWER_S)
        peer.sendall(START + message.encode() + END)
        return read(peer)


def read(peer: socket.socket) -> str:
    """The next message of a connection; "" at its end."""
    held = b""
    while END not in held:
        arrived = peer.recv(65536)
        if not arrived:
            return ""
        held += arrived
    return held.partition(END)[0].removeprefix(START).decode()


class Listener(socketserver.ThreadingTCPServer):
    """Hears what Lamelle tells, says so, and hands it on."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, writer: Writer, heard: Callable[[str], None]) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                while message := read(self.request):
                    self.request.sendall(START + writer.acknowledge(message).encode() + END)
                    heard(message)

        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
