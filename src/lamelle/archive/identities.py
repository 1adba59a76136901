"""Whose a study is, said by somebody who knows better than its files: lists, searches and metadata show it, files stay.

Filing puts it over what files say (`filing.known_patients`); who knows it is not the archive's business.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lamelle.archive import facts, filing, names
from lamelle.archive.catalogue import ATTRIBUTES, Attribute, Kind, Level, known_patient, study
from lamelle.base.db import insert


@dataclass(frozen=True, slots=True)
class Patient:
    """An identity as DICOM has it; an empty birth date or sex leaves what files say."""

    patient_id: str
    issuer: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""

    def columns(self) -> dict[str, str]:
        """The columns of `study` that it sets."""
        key, other = names.keys(self.name)
        told = {"patient_id": self.patient_id, "issuer_of_patient_id": self.issuer, "patient_name": self.name}
        told |= {"patient_name_key": key, "patient_name_other": other}
        rest = {"patient_birth_date": self.birth_date, "patient_sex": self.sex}
        return told | {column: value for column, value in rest.items() if value}


def put(conn: sa.Connection, study_uid: str, patient: Patient | None, source: str, now: datetime) -> bool:
    """Let a study, there or to come, be this patient's; None: as its files say again. Whether that is news."""
    row = conn.execute(sa.select(study.c.id).where(study.c.uid == study_uid).with_for_update()).first()
    known = conn.execute(sa.select(known_patient).where(known_patient.c.study_uid == study_uid)).first()
    if patient is None:
        if known is None:
            return False
        conn.execute(sa.delete(known_patient).where(known_patient.c.study_uid == study_uid))
        if row is not None:
            filing.refresh(conn, row.id, now)
        return True
    columns = patient.columns()
    values = {"columns": json.dumps(columns, ensure_ascii=False, sort_keys=True), "source": source}
    if known is not None and (known.columns, known.source) == (values["columns"], source):
        return False
    adding = insert(conn, known_patient).values(study_uid=study_uid, **values)
    conn.execute(adding.on_conflict_do_update(index_elements=["study_uid"], set_=values))
    if row is not None:
        _show(conn, row.id, columns, now)
    return True


def of(conn: sa.Connection, study_uid: str) -> dict[str, str]:
    """The columns that hold over what the files of a study say; none when nobody knows better."""
    return filing.known_patients(conn, [study_uid]).get(study_uid, {})


def over(text: bytes, columns: Mapping[str, str]) -> bytes:
    """The DICOM JSON of an instance, with these columns of its study in the place of what its file says."""
    head, rest = facts.cut(text)
    told = {
        each.path[0]: _element(each, columns[each.column])
        for each in ATTRIBUTES[Level.STUDY]
        if each.column in columns and (columns[each.column] or each.path[0] in head)
    }
    if all(head.get(tag) == element for tag, element in told.items()):
        return text
    made = json.dumps(dict(sorted((head | told).items())), ensure_ascii=False, separators=(",", ":")).encode()
    return made[:-1] + (b"," if rest != b"}" else b"") + rest


def _element(attribute: Attribute, text: str) -> dict[str, Any]:
    if not text:
        return {"vr": attribute.vr}
    return {"vr": attribute.vr, "Value": [{"Alphabetic": text} if attribute.kind is Kind.NAME else text]}


def known_by(conn: sa.Connection, source: str) -> list[str]:
    """The studies of which this source says whose they are."""
    return list(conn.execute(sa.select(known_patient.c.study_uid).where(known_patient.c.source == source)).scalars())


def _show(conn: sa.Connection, study_id: int, columns: dict[str, Any], now: datetime) -> None:
    conn.execute(sa.update(study).where(study.c.id == study_id).values(**columns, updated_at=now))
    row = conn.execute(sa.select(study).where(study.c.id == study_id)).one()
    filing.save_words(conn, study_id, {name: row._mapping[name] for name in facts.NAMES})
