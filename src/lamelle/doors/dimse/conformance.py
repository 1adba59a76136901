"""The DICOM conformance statement (PS3.2), put together from what the code does; ops.reference writes it.

Settings and web endpoints are handed in: other rooms know them.
"""

import inspect
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lamelle import __version__
from lamelle.archive import catalogue
from lamelle.base import tls
from lamelle.dicom import encode, transfer, uids
from lamelle.doors.dimse import commands, commitment, negotiation, notifying, services, storage
from lamelle.doors.dimse.commands import N_CREATE, N_SET, Status
from lamelle.doors.dimse.identifiers import FIND, GET, MOVE, PATIENT_ROOT, STUDY_ROOT
from lamelle.doors.dimse.node import Service
from lamelle.lab import items, notices, schedule, steps
from lamelle.lab.keys import named

STORING: Final = "storage"
USED: Final[Mapping[str, str]] = {
    storage.VERIFICATION: "`lamelle dicom echo`",
    STORING: "`lamelle dicom send`, forwarding by rule, sub-operations of C-MOVE and C-GET",
    commitment.PUSH_MODEL: "`lamelle dicom send --commit`; reports, when the requester's association is closed",
    notifying.AVAILABILITY: "when a study came to rest, to peers with the right `notify`",
    **{root + FIND: "`lamelle dicom find`" for root in (PATIENT_ROOT, STUDY_ROOT)},
    **{root + MOVE: "`lamelle dicom move`" for root in (PATIENT_ROOT, STUDY_ROOT)},
    **{root + GET: "`lamelle dicom get`" for root in (PATIENT_ROOT, STUDY_ROOT)},
}
"""What we ask of others as SCU, and when."""

MEANINGS: Final[Mapping[int, str]] = {
    Status.SUCCESS: "Success",
    Status.ATTRIBUTE_LIST_ERROR: "Warning: attributes that may not change stay as they were",
    Status.PENDING: "Pending",
    Status.PENDING_WARNING: "Pending: a key is of no dictionary or level, so that it has no value here",
    Status.CANCEL: "Cancelled",
    Status.OUT_OF_RESOURCES: "Refused: out of resources, or over a limit",
    Status.MISMATCH: "Refused: the data set does not match the SOP class, or its keys make no sense",
    Status.CANNOT_UNDERSTAND: "Refused: cannot understand; the bytes are kept aside with the reason",
    Status.LIMIT_REACHED: "Warning: the limit of answers is reached",
    Status.NO_SUCH_ATTRIBUTE: "No such attribute",
    Status.INVALID_ATTRIBUTE_VALUE: "Invalid attribute value",
    Status.PROCESSING_FAILURE: "Processing failure",
    Status.DUPLICATE_INSTANCE: "Duplicate SOP instance: other bytes are kept under that UID, or it was created before",
    Status.NO_SUCH_INSTANCE: "No such SOP instance",
    Status.INVALID_INSTANCE: "Invalid SOP instance",
    Status.CLASS_NOT_SUPPORTED: "Refused: SOP class not supported",
    Status.MISSING_ATTRIBUTE: "Missing attribute",
    Status.MISSING_VALUE: "Missing attribute value",
    Status.NOT_AUTHORIZED: "Refused: not authorised; of a C-STORE, the study belongs to another establishment",
    Status.UNRECOGNIZED_OPERATION: "Unrecognised operation",
    Status.RESOURCE_LIMITATION: "Resource limitation: storage is full, or it is over a limit",
    Status.UNKNOWN_DESTINATION: "Refused: move destination unknown",
    Status.CANNOT_COUNT: "Refused: out of resources, matches cannot be counted",
    Status.CANNOT_PERFORM: "Refused: out of resources, sub-operations cannot be performed",
    Status.SUB_OPERATIONS_FAILED: "Warning: sub-operations complete, with failures",
    Status.NO_SUCH_ACTION: "No such action",
    Status.NO_SUCH_EVENT: "No such event",
    Status.MISTYPED_ARGUMENT: "Mistyped argument",
    Status.INVALID_ARGUMENT: "Invalid argument value",
    Status.DUPLICATE_INVOCATION: "Duplicate invocation",
    Status.CLASS_INSTANCE_CONFLICT: "Class-instance conflict",
    Status.NO_SUCH_CLASS: "No such SOP class",
}
ALWAYS: Final = frozenset({Status.SUCCESS, Status.PROCESSING_FAILURE, Status.UNRECOGNIZED_OPERATION})
_PENDING: Final = frozenset({Status.PENDING, Status.CANCEL})
_MOVING: Final = _PENDING | {Status.SUB_OPERATIONS_FAILED, Status.CANNOT_PERFORM}
_ATTRIBUTES: Final = frozenset({Status.MISSING_ATTRIBUTE, Status.MISSING_VALUE})
_OWN: Final[Mapping[int, frozenset[int]]] = {
    commands.C_ECHO: frozenset(),
    commands.C_STORE: frozenset(storage.STATUSES.values()),
    commands.C_FIND: _PENDING | {Status.PENDING_WARNING, Status.LIMIT_REACHED},
    commands.C_MOVE: _MOVING | {Status.UNKNOWN_DESTINATION},
    commands.C_GET: _MOVING,
    commands.N_ACTION: frozenset({Status.NO_SUCH_ACTION, Status.INVALID_ARGUMENT}),
    commands.N_EVENT_REPORT: frozenset(),
    commands.N_CREATE: _ATTRIBUTES | {Status.INVALID_INSTANCE, Status.INVALID_ATTRIBUTE_VALUE},
    commands.N_SET: _ATTRIBUTES | {Status.INVALID_ATTRIBUTE_VALUE, Status.ATTRIBUTE_LIST_ERROR},
}
STATUSES: Final[Mapping[int, frozenset[int]]] = {
    command: ALWAYS | own | services.failures(command) for command, own in _OWN.items()
}
"""Request to what it may be answered with."""


def statement(settings: Mapping[str, tuple[str, str]], web: Sequence[tuple[str, str, str]], note: str) -> str:
    """The statement in Markdown.

    `settings`: name to (what it is, its default); `web`: path, methods and meaning of each DICOMweb endpoint.
    """
    parts = [
        "# DICOM conformance statement",
        note,
        f"Lamelle {__version__}, in the form of PS3.2. Implementation Class UID `{negotiation.IMPLEMENTATION_UID}`,\n"
        f"Implementation Version Name `{negotiation.IMPLEMENTATION_NAME.split('_')[0]}_` followed by the version,\n"
        f"Application Context Name `{negotiation.APPLICATION_CONTEXT}`.",
        *_services(),
        *_storage(),
        *_contexts(),
        *_associations(settings),
        *_statuses(),
        *_queries(),
        *_laboratory(),
        *_security(),
        *_web(web),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _services() -> Iterator[str]:
    yield "## Services"
    rows = []
    for uid in sorted(set(services.SERVICES) | set(USED) - {STORING}, key=uids.name):
        service = services.SERVICES.get(uid)
        as_scp = _asked(service) if service else "no"
        right = f"`{service.right}`" if service and service.right else "none"
        rows.append([uids.name(uid), f"`{uid}`", as_scp, right, USED.get(uid, "no")])
    kept = services.STORAGE
    rows.append(["every class of [Storage](#storage)", "", _asked(kept), f"`{kept.right}`", USED.get(STORING, "no")])
    yield _table(["SOP class", "UID", "as SCP", "right a peer needs", "as SCU"], rows)
    yield (
        "A peer has its rights from `dimse.peers`; while no peers are named, any application entity on this machine\n"
        "has all of them, and nobody else any. A named peer reaches the studies and the worklist of its own\n"
        "establishment and what is shared with its place; everything else is to it as if it did not exist. What it\n"
        "stores belongs to its place; an instance of a study out of its reach is refused."
    )


def _asked(service: Service) -> str:
    return ", ".join(commands.NAMES[command] for command in service.commands)


def _storage() -> Iterator[str]:
    yield "## Storage"
    yield (
        "What arrives is kept as it arrived, in the transfer syntax it came in, and is acknowledged when it is\n"
        "durable. Level 2 (full). The same instance again is a success; other bytes under a known SOP Instance UID\n"
        "are refused and kept aside. Private SOP classes, and classes newer than this table, are stored too."
    )
    names = sorted((uids.name(uid), uid) for uid in uids.PATIENT_STORAGE)
    yield _table(["SOP class", "UID"], [[name, f"`{uid}`"] for name, uid in names])


def _contexts() -> Iterator[str]:
    yield "## Presentation contexts"
    yield _said(services.choose)
    yield "Objects are taken in every transfer syntax that a peer proposes. Known by name:"
    yield _table(["transfer syntax", "UID"], [[syntax.name, f"`{uid}`"] for uid, syntax in transfer.TABLE.items()])
    yield "All other messages, the best first:"
    used = {service.transfer_syntaxes for service in services.SERVICES.values() if service.transfer_syntaxes}
    for syntaxes in sorted(used):
        yield "\n".join(f"{at}. {uids.name(uid)} `{uid}`" for at, uid in enumerate(syntaxes, 1))


def _associations(settings: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    yield "## Associations"
    rows = [[f"`{name}`", f"`{default}`" if default else "empty", what] for name, (what, default) in settings.items()]
    yield _table(["setting", "default", "what"], rows)
    rows = [[why, *map(str, numbers)] for numbers, why in negotiation.REASONS.items()]
    yield "Associations are rejected so:"
    yield _table(["why", "result", "source", "reason"], rows)
    yield (
        "Asynchronous operations are not negotiated: one operation at a time. Role selection is accepted for storage\n"
        "classes, for C-GET. User identity is not asked for."
    )
    yield "SOP Class Extended Negotiation, an option accepted where it stands as 1 (PS3.4 C.5.1.1, C.5.2.1, C.5.3.1):"
    had = {uid: service.information for uid, service in services.SERVICES.items() if service.information}
    rows = [[uids.name(uid), " ".join(map(str, options))] for uid, options in had.items()]
    yield _table(["SOP class", "options in order"], rows)


def _statuses() -> Iterator[str]:
    yield "## Statuses"
    yield "Error Comment (0000,0902) begins with a code of [errors](errors.md) wherever a request is refused."
    asked = {command for service in services.SERVICES.values() for command in service.commands} | {commands.C_STORE}
    for command in sorted(asked):
        answers = sorted(STATUSES[command])
        yield f"### {commands.NAMES[command]}"
        yield _table(["status", "meaning"], [[f"`{status:04X}`", MEANINGS[status]] for status in answers])
    yield (
        "An N-SET of a performed procedure step that has ended is answered with\n"
        f"`{Status.PROCESSING_FAILURE:04X}` and Error ID (0000,0903) `{services.ERROR_IDS['step_ended']:04X}`."
    )


def _queries() -> Iterator[str]:
    yield "## Query"
    yield (
        "Single values, lists of UIDs, wildcards, ranges of dates and times, sequences and universal matching; names\n"
        "match whatever their case and accents. These attributes are answered from columns; any other attribute of\n"
        "the objects may be asked for and matched too, by reading their metadata."
    )
    for level, attributes in catalogue.ATTRIBUTES.items():
        found = ", ".join(" > ".join(named(tag) for tag in attribute.path) for attribute in attributes)
        yield f"**{level.capitalize()}**: {found}."
    yield "## Character sets"
    yield (
        "Text is read in every character set of PS3.3 C.12.1.1.2, with and without code extensions. Answers are\n"
        f"written in `{encode.UTF8}` for who asks in it; else in plain ASCII, in `{encode.LATIN1}` where that does,\n"
        f"and in `{encode.UTF8}` where it does not."
    )


def _laboratory() -> Iterator[str]:
    yield "## Modality Worklist"
    yield (
        "Every attribute of an item may be matched and returned, those in sequences too. An index answers\n"
        f"{_list(path[-1] for path in schedule.INDEXED)}.\n"
        "Ranges of Scheduled Procedure Step Start Date and Time together are one period. Items whose step is\n"
        "completed are answered only if Scheduled Procedure Step Status is asked for."
    )
    required = (*items.REQUIRED, *items.REQUIRED_OF_STEP)
    yield f"Every item has a value of {_list(required)}."
    yield "## Modality Performed Procedure Step"
    follow = "; ".join(f"{state} becomes {' or '.join(after) or 'nothing else'}" for state, after in steps.NEXT.items())
    yield (
        f"{follow}. An item of the worklist follows the steps that name it;\n"
        "after a discontinued one it is as it was scheduled."
    )
    yield _table(
        ["request", "attributes that need a value"],
        [
            [commands.NAMES[N_CREATE], _list(steps.CREATED)],
            [f"{commands.NAMES[N_SET]} to an end", f"{_list(steps.ENDED)}; of each series {_list(steps.OF_SERIES)}"],
        ],
    )
    yield f"An N-SET leaves as they are: {_list(sorted(steps.FIXED))}."
    yield "## Instance Availability Notification"
    yield (
        "As SCU: of the whole study, once no instance has come for `lab.settle_s`; every instance is `ONLINE`, with\n"
        "our AE title as Retrieve AE Title; performed procedure steps known of the study are referenced. What is told\n"
        "again for new instances has a new SOP Instance UID. As SCP: notifications are kept, and change nothing here;\n"
        f"each instance needs {_list(notices.REQUIRED_OF_INSTANCE)}."
    )


def _list(tags: Iterator[str] | Sequence[str]) -> str:
    return ", ".join(map(named, tags))


def _security() -> Iterator[str]:
    yield "## Security"
    oldest = {ssl.TLSVersion.TLSv1_2: "TLS 1.2"}[tls.OLDEST]
    yield (
        "BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12), on when `dimse.tls_cert` is\n"
        f"set: {oldest} or newer, of {oldest} the cipher suites `{tls.CIPHERS}`. Clients show a certificate when\n"
        "`dimse.tls_ca` is set, unless `dimse.tls_require_client` says otherwise; as SCU the peer's certificate must\n"
        "name its host. An AE title may be bound to a name in the client's certificate (`certificate` of a peer).\n"
        "Associations, queries, transfers and refusals are entered in the audit ledger, whose entries are written as\n"
        "DICOM audit messages (PS3.15 A.5)."
    )


def _web(web: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    yield "## DICOMweb"
    yield "Studies Service (PS3.18 10) of the same archive; details in [endpoints](endpoints.md)."
    yield _table(["path", "methods", "what"], [[f"`{path}`", methods, what] for path, methods, what in web])


def _said(thing: object) -> str:
    """What a docstring says."""
    return inspect.getdoc(thing) or ""
