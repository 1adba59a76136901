"""The JSON of sign-in, accounts, people and places, shares, emergencies and the ledger: the shapes and nothing else.

Times are ISO 8601 in UTC; null when there is none. `models.py` has the JSON of images.
"""

from typing import Literal

from pydantic import Field, JsonValue

from lamelle.access.model import Action, Purpose, Role
from lamelle.doors.web.models import Model

Right = Literal["read", "label"]
Step = Literal["", "second_factor", "new_password", "set_up_factor"]
PlaceKind = Literal["establishment", "site", "department"]


class RoleItem(Model):
    """A role somebody holds; without a place, in all of them. `id` is the membership's number."""

    id: int
    role: Role
    place: int | None
    place_name: str
    until: str | None


class Provider(Model):
    """An OpenID provider one can sign in with."""

    id: str
    label: str


class DemoAccount(Model):
    """An account of the demonstration, which everybody may use."""

    login: str
    password: str
    role: Role


class Session(Model):
    """Who looks, for which purpose and what they may do anywhere; `step` is what signing in still needs.

    Without `required` nobody signs in: everyone on this machine may do everything. `csrf` goes with every change, in
    the header `x-lamelle`.
    """

    signed_in: bool
    required: bool
    step: Step
    id: int
    login: str
    name: str
    rights: list[Right]
    languages: list[str]
    purpose: Purpose
    purposes: list[Purpose]
    roles: list[RoleItem]
    establishment: str
    actions: list[Action]
    providers: list[Provider]
    demo: list[DemoAccount]
    csrf: str
    until: str | None


class SignedOut(Model):
    """Where to go then: the provider's page that ends its own session, or nowhere."""

    to: str


class Credentials(Model):
    login: str
    password: str


class Code(Model):
    """Six digits of an authenticator, or a recovery code."""

    code: str


class PasswordChange(Model):
    old: str
    new: str


class PurposeChange(Model):
    purpose: Purpose


class Confirmation(Model):
    """The password again, before something that weakens the account."""

    password: str


class Account(Model):
    """What somebody sees of their own account; `local` has a password here, others sign in elsewhere."""

    login: str
    name: str
    email: str
    rpps: str
    roles: list[RoleItem]
    totp: bool
    recovery_left: int
    local: bool


class SessionItem(Model):
    id: str
    current: bool
    created_at: str
    last_at: str
    until: str
    address: str
    agent: str


class Totp(Model):
    """A new second factor, before it is confirmed; `uri` is what the QR code says."""

    uri: str
    secret: str


class RecoveryCodes(Model):
    recovery_codes: list[str]


class TokenItem(Model):
    id: str
    name: str
    actions: list[Action]
    created_at: str
    until: str | None
    last_at: str | None


class TokenNew(Model):
    name: str
    actions: list[Action]
    days: int


class TokenMade(Model):
    """The token is shown this once; only its digest is kept."""

    token: str
    item: TokenItem


class UserItem(Model):
    id: int
    login: str
    name: str
    email: str
    rpps: str
    kind: Literal["person", "service"]
    disabled: bool
    roles: list[RoleItem]
    last_at: str | None
    totp: bool


class UserPage(Model):
    items: list[UserItem]
    total: int


class RoleNew(Model):
    role: Role
    place: int | None
    until: str | None = None


class UserNew(Model):
    login: str
    name: str = ""
    email: str = ""
    rpps: str = ""
    kind: Literal["person", "service"] = "person"
    roles: tuple[RoleNew, ...] = ()


class UserChange(Model):
    """What is null stays as it is."""

    name: str | None = None
    email: str | None = None
    rpps: str | None = None
    disabled: bool | None = None


class UserMade(Model):
    """The password is shown this once, and has to be changed at the first sign-in."""

    user: UserItem
    password: str


class OneTimePassword(Model):
    password: str


class PlaceItem(Model):
    id: int
    kind: PlaceKind
    parent: int | None
    name: str
    finess: str


class PlaceNew(Model):
    kind: PlaceKind
    parent: int | None
    name: str
    finess: str = ""


class PlaceChange(Model):
    name: str
    finess: str = ""


class AuditItem(Model):
    """One entry of the ledger."""

    number: int
    at: str
    actor: str
    action: str
    outcome: Literal["success", "refused", "failed"]
    purpose: str
    place: int
    address: str
    session: str
    study_uid: str
    patient_id: str
    issuer: str
    subject: str
    reason: str
    detail: dict[str, JsonValue]


class AuditPage(Model):
    """Entries, the newest first; `next` is what asks for those that follow, null at the end."""

    entries: list[AuditItem]
    next: str | None


class Finding(Model):
    """What is wrong with the ledger, at the first entry where it shows."""

    number: int
    what: str


class CheckpointItem(Model):
    """The last signature: up to which entry, when, by which key."""

    number: int
    at: str
    key: str


class Receiver(Model):
    """A collector of audit messages, and up to which entry it has them."""

    receiver: str
    sent: int


class AuditState(Model):
    """Whether the ledger is as it was written; `waiting` entries are noted and not yet chained."""

    entries: int
    sound: bool
    findings: list[Finding]
    checkpoint: CheckpointItem | None
    waiting: int
    receivers: list[Receiver]


class Grant(Model):
    """One line of what roles may do: `within` is how far from the place of the role it reaches."""

    role: Role
    purpose: Purpose
    action: Action
    within: Literal["shared", "department", "establishment", "everywhere"]


class PersonItem(Model):
    """Somebody to share with: no more than a name."""

    id: int
    name: str
    login: str


class ShareItem(Model):
    """Somebody a study is shown to beyond its place."""

    id: int
    guest_kind: Literal["actor", "place"]
    guest_id: int
    guest_name: str
    purpose: Purpose
    until: str | None
    granted_by: str
    granted_at: str
    reason: str
    emergency: bool


class ShareNew(Model):
    """Share a study with a person or a place; until the end of `until`, or until withdrawn."""

    guest_kind: Literal["actor", "place"]
    guest_id: int = Field(ge=0, lt=2**63)
    purpose: Purpose
    days: int | None = Field(None, ge=0, le=36_500)
    reason: str = ""


class EmergencyNew(Model):
    """Open one patient's studies without being of the care team; one of the two is given."""

    patient_id: str = ""
    accession: str = ""
    reason: str


class EmergencyOpened(Model):
    studies: list[str]
    until: str


class Emergency(Model):
    """An emergency access, as the data-protection officer reviews it."""

    id: int
    actor: str
    name: str
    patient_id: str
    issuer: str
    reason: str
    at: str
    until: str
    studies: int
    reviewed_at: str | None
    reviewed_by: str
    note: str


class EmergencyReview(Model):
    note: str
