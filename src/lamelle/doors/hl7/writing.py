"""Our messages: the segments of a dialect's template, filled with facts; and what every message of ours begins with."""

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from lamelle.doors import er7
from lamelle.doors.er7 import STANDARD, Message, Segment
from lamelle.doors.hl7 import times
from lamelle.doors.hl7.dialect import Dialect, Template
from lamelle.doors.hl7.settings import Hl7Settings, Peer
from lamelle.lab.news import News, Whose

PLACE: Final = re.compile(r"\{([a-z_0-9]+)\}")
CASE_PAGE: Final = "/cases/{}"
"""The page of a case; its number says nothing of the patient."""


def new_control() -> str:
    """A message control identifier nobody gave before; 20 characters, the most that version 2.5.1 allows."""
    return uuid.uuid4().hex[:20]


def head(
    settings: Hl7Settings,
    dialect: Dialect,
    to: tuple[str, str],
    kind: str,
    control: str,
    now: datetime,
    *,
    profile: str = "",
    version: str = "",
    asks: tuple[str, str] = ("", ""),
    processing: str = "P",
) -> Segment:
    """MSH; `to` is the receiver's application and facility, `asks` MSH-15 and MSH-16."""
    fields = [""] * 22
    fields[:3] = ["MSH", "|", STANDARD.encoding]
    fields[3], fields[4] = er7.escaped(settings.application), er7.escaped(settings.facility)
    fields[5], fields[6] = to
    fields[7] = times.written(now, dialect.zone)
    fields[9], fields[10], fields[11], fields[12] = kind, control, processing, version or dialect.version
    fields[15], fields[16] = asks
    fields[21] = profile
    return trimmed(fields)


def trimmed(fields: Sequence[str]) -> Segment:
    """A segment without empty fields at its end."""
    kept = list(fields)
    while len(kept) > 1 and not kept[-1]:
        kept.pop()
    return Segment(tuple(kept))


def compose(
    settings: Hl7Settings, peer: Peer, dialect: Dialect, template: Template, news: News, now: datetime, link: str
) -> Message:
    """A message that tells a peer news."""
    values = _values(dialect, news, now)
    values["link"] = er7.escaped(link.rstrip("/") + CASE_PAGE.format(news.case)) if link else ""
    to = er7.escaped(peer.application), er7.escaped(peer.facility)
    asks = (dialect.accept, dialect.answer)
    first = head(settings, dialect, to, template.kind, new_control(), now, profile=template.profile, asks=asks)
    told = [
        _segment(name, fields, values) for name, fields, needs in template.segments if not needs or values.get(needs)
    ]
    return Message((first, *told))


def _values(dialect: Dialect, news: News, now: datetime) -> dict[str, str]:
    """Facts as they may stand in a field; those made of several components are made here."""
    values = {name: _written(fact, dialect) for name, fact in {**news.facts, "now": now}.items()}
    values["patient_ids"] = _patient_ids(news.patient)
    values["patient_names"] = _patient_names(news.patient)
    return values


def _written(fact: str | datetime | None, dialect: Dialect) -> str:
    return times.written(fact, dialect.zone) if isinstance(fact, datetime) else er7.escaped(fact or "")


def _patient_ids(patient: Whose) -> str:
    said = [
        f"{er7.escaped(one.value)}^^^{_authority(one.issuer)}^{'PI' if rank == 0 else 'MR'}"
        for rank, one in enumerate(patient.identifiers)
    ]
    if patient.ins:
        oid = er7.escaped(patient.ins_oid)
        said.append(f"{er7.escaped(patient.ins)}^^^ASIP-SANTE-INS-NIR&{oid}&ISO^INS")
    return "~".join(said)


def _authority(issuer: str) -> str:
    """HD: a name, or an OID with its type."""
    return f"&{issuer}&ISO" if re.fullmatch(r"[0-2](\.\d+)+", issuer) else er7.escaped(issuer)


def _patient_names(patient: Whose) -> str:
    """Birth name, as type L, then the name that is used where it is another."""
    family, given, birth = map(er7.escaped, (patient.family, patient.given, patient.birth_name))
    legal = f"{birth or family}^{given}^^^^^L" if birth or family or given else ""
    return f"{legal}~{family}^{given}^^^^^D" if birth and family and birth != family else legal


def _segment(name: str, fields: Mapping[int, str], values: Mapping[str, str]) -> Segment:
    filled = [""] * (max(fields, default=0) + 1)
    filled[0] = name
    for number, text in fields.items():
        filled[number] = _bare(PLACE.sub(lambda found: values.get(found.group(1), ""), text))
    return trimmed(filled)


def _bare(value: str) -> str:
    """A field without separators at its end; one of separators alone is empty."""
    return value.rstrip("^&")
