"""Where rows of each kind come from and what they are known by: the tables `lookup` asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import within
from lamelle.archive.catalogue import study
from lamelle.lab.asked import Begins, Key, Kind, Named, Span
from lamelle.lab.patients import QUALIFIED
from lamelle.lab.records import (
    block,
    case,
    decision,
    patient,
    patient_identifier,
    report,
    scan,
    slide,
    slide_alias,
    specimen,
    technique,
)

Condition = sa.ColumnElement[bool]
Field = Callable[[Any], Condition]


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows of a kind come from."""

    rows: sa.Select[Any]
    id: sa.Column[int]
    changed: sa.ColumnElement[Any]
    within: Callable[[Reach, datetime], list[Condition]]
    fields: Mapping[str, Field]


def _is(column: sa.ColumnElement[Any]) -> Field:
    return lambda value: column == value


def _text(*columns: sa.ColumnElement[Any]) -> Field:
    def field(value: str | Begins) -> Condition:
        if isinstance(value, str):
            return sa.or_(*(column == value for column in columns))
        text = value.text.lower()
        lowered = [sa.func.lower(column) for column in columns]
        if value.anywhere:
            return sa.or_(*(column.contains(text, autoescape=True) for column in lowered))
        return sa.or_(*(column.startswith(text, autoescape=True) for column in lowered))

    return field


def _named(value: sa.ColumnElement[Any], issuer: sa.ColumnElement[Any]) -> Field:
    def field(named: Named) -> Condition:
        parts = [value == named.value] if named.value else []
        if named.issuer is not None:
            parts.append(issuer == named.issuer)
        return sa.and_(sa.true(), *parts)

    return field


def _in(column: sa.ColumnElement[Any]) -> Field:
    """A moment; what has none is never so."""

    def field(span: Span) -> Condition:
        parts = [] if span.start is None else [column >= span.start]
        parts += [] if span.end is None else [column < span.end]
        inside = sa.and_(column.is_not(None), *parts)
        return sa.and_(column.is_not(None), sa.not_(inside)) if span.outside else inside

    return field


def _on(column: sa.ColumnElement[Any]) -> Field:
    """A day YYYYMMDD."""

    def field(span: Span) -> Condition:
        parts = [] if span.start is None else [column >= f"{span.start:%Y%m%d}"]
        parts += [] if span.end is None else [column < f"{span.end:%Y%m%d}"]
        inside = sa.and_(column != "", *parts)
        return sa.and_(column != "", sa.not_(inside)) if span.outside else inside

    return field


def _key(**columns: sa.ColumnElement[Any]) -> Field:
    """A row by the number of one, by the kind that one is."""

    def field(key: Key) -> Condition:
        column = columns.get(key.kind.value)
        return sa.false() if column is None else column == key.id

    return field


def _of_patient(column: sa.ColumnElement[Any]) -> Field:
    """By an identifier of the patient, those of merged records included; by the INS of a qualified identity."""
    known = patient_identifier.alias("known")
    by = _named(known.c.value, known.c.issuer)

    def field(named: Named) -> Condition:
        ids = sa.select(known.c.patient_id).where(by(named))
        return sa.or_(column.in_(ids), column.in_(sa.select(patient.c.id).where(_insured(named))))

    return field


def _insured(named: Named) -> Condition:
    parts = [patient.c.ins == named.value] if named.value else []
    if named.issuer is not None:
        parts.append(patient.c.ins_oid == named.issuer)
    return sa.and_(patient.c.ins != "", patient.c.ins_status == QUALIFIED, *parts)


def _of_specimen(column: sa.ColumnElement[Any]) -> Field:
    """A case by the number of one of its specimens, blocks or slides."""
    tables = {Kind.PART: specimen, Kind.BLOCK: block, Kind.SLIDE: slide}

    def field(key: Key) -> Condition:
        table = tables.get(key.kind)
        return sa.false() if table is None else column.in_(sa.select(table.c.case_id).where(table.c.id == key.id))

    return field


def _placed(reach: Reach, now: datetime) -> list[Condition]:
    return within.placed(reach, case.c.place)


def _has_case(reach: Reach, now: datetime) -> list[Condition]:
    """Patients of cases within reach, and what was merged into them."""
    if reach.everything:
        return []
    theirs = sa.select(case.c.patient_id).where(case.c.patient_id.is_not(None), *within.placed(reach, case.c.place))
    return [sa.or_(patient.c.id.in_(theirs), patient.c.merged_into.in_(theirs))]


_OF_CASE: Final = (
    case.c.accession,
    case.c.issuer.label("case_issuer"),
    case.c.patient_id,
    case.c.place.label("case_place"),
    case.c.study_uid.label("case_study_uid"),
    case.c.received_at.label("case_received_at"),
    patient.c.identifier.label("patient_value"),
    patient.c.issuer.label("patient_issuer"),
)
_CASE: Final[Mapping[str, Field]] = {
    "case": _key(case=case.c.id),
    "accession": _named(case.c.accession, case.c.issuer),
    "patient": _key(patient=case.c.patient_id),
    "patient_identifier": _of_patient(case.c.patient_id),
}


def _of_case(
    table: sa.Table,
    changed: sa.ColumnElement[Any],
    fields: Mapping[str, Field],
    *more: sa.ColumnElement[Any],
    joined: sa.FromClause | None = None,
) -> Source:
    """Rows that belong to a case."""
    origin = table if joined is None else joined
    whole = origin.join(case, case.c.id == (table.c.case_id if "case_id" in table.c else slide.c.case_id))
    whole = whole.outerjoin(patient, patient.c.id == case.c.patient_id)
    rows = sa.select(*table.c, *_OF_CASE, changed.label("changed"), *more).select_from(whole)
    own = {"id": _key(**{_KIND_OF[table.name]: table.c.id}), "changed": _in(changed)}
    return Source(rows, table.c.id, changed, _placed, {**_CASE, **own, **fields})


_KIND_OF: Final = {
    "specimen": "part",
    "block": "block",
    "slide": "slide",
    "report": "report",
    "technique": "technique",
    "decision": "rescan",
}
"""Table to the kind its rows are known by."""


def _current() -> Condition:
    """Whether a report is the version that counts."""
    other = report.alias("other")
    final = sa.case((other.c.state == "final", 1), else_=0)
    newest = sa.select(other.c.id).where(other.c.case_id == report.c.case_id)
    return (
        report.c.id
        == newest.order_by(final.desc(), other.c.written_at.desc(), other.c.version.desc()).limit(1).scalar_subquery()
    )


def _amends() -> Condition:
    """Whether a report follows one that was final."""
    earlier = report.alias("earlier")
    same = earlier.c.case_id == report.c.case_id
    return sa.exists().where(same, earlier.c.written_at < report.c.written_at, earlier.c.state == "final")


def _scanned_again() -> Condition:
    again = scan.alias("again")
    same = again.c.slide_id == slide.c.id
    return sa.exists().where(same, again.c.arrived_at > decision.c.decided_at, again.c.state == "matched")


STANDING: Final = sa.case((sa.and_(report.c.state == "final", _amends()), "amended"), else_=report.c.state)
"""draft, preliminary, final, amended (final after another that was) or cancelled."""
_ISSUED: Final = sa.func.coalesce(report.c.validated_at, report.c.written_at)
_RESCAN_STATE: Final = sa.case(
    (decision.c.undone_at.is_not(None), "cancelled"), (_scanned_again(), "done"), else_="requested"
)


def _alias(named: Named) -> Condition:
    value = slide_alias.c.value == named.value
    return slide.c.id.in_(sa.select(slide_alias.c.slide_id).where(value)) if named.value else sa.false()


def _slide_named(named: Named) -> Condition:
    return sa.or_(_named(slide.c.identifier, slide.c.issuer)(named), _alias(named))


def rows_of_versions() -> Source:
    """Every version of every report."""
    fields = {
        "state": _is(STANDING),
        "code": _is(report.c.code),
        "specimen": _of_specimen(report.c.case_id),
        "issued": _in(_ISSUED),
        "effective": _in(case.c.received_at),
    }
    return _of_case(report, _ISSUED, fields, STANDING.label("standing"))


def _rows_of_reports() -> Source:
    made = rows_of_versions()
    return Source(
        made.rows.where(_current()), report.c.id, _ISSUED, _placed, {**made.fields, "id": _key(report=case.c.id)}
    )


def _rows_of_rescans() -> Source:
    slides = decision.outerjoin(scan, scan.c.id == decision.c.scan_id)
    joined = slides.join(slide, slide.c.id == sa.func.coalesce(decision.c.slide_id, scan.c.slide_id))
    changed = sa.func.coalesce(decision.c.undone_at, decision.c.decided_at)
    fields = {
        "state": _is(_RESCAN_STATE),
        "specimen": _key(slide=slide.c.id),
        "asked": _in(decision.c.decided_at),
    }
    more = (_RESCAN_STATE.label("state"), slide.c.id.label("of_slide"), slide.c.case_id)
    made = _of_case(decision, changed, fields, *more, joined=joined)
    return Source(made.rows.where(decision.c.kind == "rescan"), decision.c.id, changed, _placed, made.fields)


def _rows_of_studies() -> Source:
    scanned = sa.select(scan.c.study_uid).join(slide, slide.c.id == scan.c.slide_id)

    def of_case(key: Key) -> Condition:
        by_scan = scanned.where(slide.c.case_id == key.id)
        return study.c.uid.in_(by_scan.union(sa.select(case.c.study_uid).where(case.c.id == key.id)))

    def of(cases: Condition) -> Condition:
        by_scan = scanned.join(case, case.c.id == slide.c.case_id).where(cases)
        return study.c.uid.in_(by_scan.union(sa.select(case.c.study_uid).where(cases)))

    def of_patient(key: Key) -> Condition:
        pairs = sa.select(patient_identifier.c.value, patient_identifier.c.issuer)
        same = sa.tuple_(study.c.patient_id, study.c.issuer_of_patient_id)
        known = same.in_(pairs.where(patient_identifier.c.patient_id == key.id))
        return sa.or_(known, of(case.c.patient_id == key.id))

    def named(value: str | Named) -> Condition:
        if isinstance(value, str):
            return study.c.uid == value
        same = study.c.accession_number == value.value
        return sa.and_(same, of(_CASE["accession"](value))) if value.issuer else same

    def identified(named: Named) -> Condition:
        said = _named(study.c.patient_id, study.c.issuer_of_patient_id)(named)
        return sa.or_(said, of(_of_patient(case.c.patient_id)(named)))

    fields: dict[str, Field] = {
        "uid": _is(study.c.uid),
        "identifier": named,
        "case": of_case,
        "patient": of_patient,
        "patient_identifier": identified,
        "standing": lambda value: sa.literal(value) == "available",
        "started": _on(study.c.study_date),
        "modality": lambda value: study.c.modalities.contains(f"\\{value}\\", autoescape=True),
        "changed": _in(study.c.updated_at),
    }
    rows = sa.select(study, study.c.updated_at.label("changed"))
    return Source(rows, study.c.id, study.c.updated_at, within.one, fields)


def _rows_of_patients() -> Source:
    fields: dict[str, Field] = {
        "id": _key(patient=patient.c.id),
        "identifier": _of_patient(patient.c.id),
        "family": _text(patient.c.family, patient.c.birth_name),
        "given": _text(patient.c.given),
        "name": _text(patient.c.family, patient.c.birth_name, patient.c.given),
        "birth_date": _on(patient.c.birth_date),
        "sex": _is(patient.c.sex),
        "merged": lambda value: (
            patient.c.merged_into.is_not(None) if value == "yes" else patient.c.merged_into.is_(None)
        ),
        "changed": _in(patient.c.updated_at),
    }
    rows = sa.select(patient, patient.c.updated_at.label("changed"))
    return Source(rows, patient.c.id, patient.c.updated_at, _has_case, fields)


def _rows_of_cases() -> Source:
    fields = {
        **_CASE,
        "id": _key(case=case.c.id),
        "state": _is(case.c.state),
        "urgency": _is(case.c.urgency),
        "specimen": _of_specimen(case.c.id),
        "ordered": _in(case.c.ordered_at),
        "changed": _in(case.c.updated_at),
    }
    who = (patient.c.identifier.label("patient_value"), patient.c.issuer.label("patient_issuer"))
    whole = case.outerjoin(patient, patient.c.id == case.c.patient_id)
    rows = sa.select(case, case.c.place.label("case_place"), *who, case.c.updated_at.label("changed"))
    return Source(rows.select_from(whole), case.c.id, case.c.updated_at, _placed, fields)


def _said(table: sa.Table) -> sa.ColumnElement[Any]:
    return sa.func.coalesce(table.c.said_at, case.c.created_at)


SOURCES: Final[Mapping[Kind, Source]] = {
    Kind.PATIENT: _rows_of_patients(),
    Kind.CASE: _rows_of_cases(),
    Kind.PART: _of_case(
        specimen,
        _said(specimen),
        {
            "identifier": _named(specimen.c.identifier, specimen.c.issuer),
            "collected": _in(specimen.c.collected_at),
            "type": _text(specimen.c.type_code, sa.literal("part")),
            "state": _is(sa.literal("available")),
        },
    ),
    Kind.BLOCK: _of_case(
        block,
        _said(block),
        {
            "identifier": _named(block.c.identifier, block.c.issuer),
            "container": _named(block.c.identifier, block.c.issuer),
            "parent": _key(part=block.c.specimen_id),
            "type": _text(sa.literal("block")),
            "state": _is(block.c.state),
        },
    ),
    Kind.SLIDE: _of_case(
        slide,
        slide.c.updated_at,
        {
            "identifier": _slide_named,
            "container": _slide_named,
            "parent": _key(
                block=slide.c.block_id, part=sa.case((slide.c.block_id.is_(None), slide.c.specimen_id), else_=None)
            ),
            "type": _text(sa.literal("slide")),
            "state": _is(slide.c.state),
        },
    ),
    Kind.REPORT: _rows_of_reports(),
    Kind.TECHNIQUE: _of_case(
        technique,
        technique.c.updated_at,
        {
            "identifier": _named(technique.c.identifier, sa.literal("")),
            "state": _is(technique.c.state),
            "code": _is(technique.c.code),
            "specimen": _key(slide=technique.c.slide_id, block=technique.c.block_id),
            "asked": _in(technique.c.requested_at),
        },
    ),
    Kind.RESCAN: _rows_of_rescans(),
    Kind.STUDY: _rows_of_studies(),
}
