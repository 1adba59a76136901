"""How people may prove who they are, with units and reasons; ops/config fills it, nothing else sets it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lamelle.access.model import Role
from lamelle.base.errors import Invalid


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID Connect provider whom we ask who somebody is, and whose access tokens may be taken."""

    name: str
    """Its name in addresses: /api/oidc/NAME; lower case letters, digits and dashes."""
    issuer: str
    """Its issuer, exactly as it calls itself; its configuration is read below it (.well-known)."""
    client_id: str
    """Who we are there."""
    title: str = ""
    """What the sign-in page calls it; empty: its name."""
    client_secret: str = ""
    """Our secret there; better in a file of its own."""
    client_secret_file: Path | None = None
    """File that holds the secret alone."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    """What we ask to be told; `openid` is always among it."""
    acr_values: tuple[str, ...] = ()
    """Strengths of authentication that count, the wanted one first (Pro Santé Connect: eidas1); empty: any."""
    rpps_claims: tuple[str, ...] = ()
    """Claims that hold an RPPS number (with or without the 8 before it), the first that does counts; name only
    claims that nobody can choose himself (Pro Santé Connect: SubjectNameID)."""
    match_email: bool = False
    """Whether an e-mail address that the provider verified finds its account: only for a provider whose word on
    e-mail addresses is as good as ours."""
    login_claim: str = ""
    """Claim that is the login of an account here, for a directory of the same house (often preferred_username)."""
    new_role: Role | None = None
    """Role given to somebody who has no account, which is then made; none: only those who have one get in."""
    new_place: int = 1
    """Place of that role, when `finess_claim` names none."""
    finess_claim: str = ""
    """Claim with the FINESS number of the place of that role (Pro Santé Connect: SubjectOrganizationID); a place
    that is not here gets nobody in."""
    audience: str = ""
    """What its access tokens for our API must be made out for; empty: its access tokens are not taken."""
    algorithms: tuple[str, ...] = ("RS256", "ES256", "PS256", "Ed25519")
    """Signatures that count; never `none`, never one made with a shared secret."""
    ca_file: Path | None = None
    """PEM file of the authorities that vouch for its certificate, for a provider within the house."""
    timeout_s: float = 10.0
    """How long it may take to answer."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", self.name):
            raise Invalid("bad_setting", f"{self.name!r} is no name of a provider: a-z, 0-9 and dashes")
        if not self.issuer.startswith(("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")):
            raise Invalid("bad_setting", f"the issuer of {self.name} is not reached by https")
        if any(one == "none" or one.startswith("HS") for one in self.algorithms):
            raise Invalid("bad_setting", f"{self.name}: signatures are made with a private key")

    def secret(self) -> str:
        """Our secret there. Raises: Invalid bad_setting when its file cannot be read."""
        if self.client_secret_file is None:
            return self.client_secret
        try:
            return self.client_secret_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Invalid("bad_setting", f"the secret of {self.name} cannot be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Settings of sign-in."""

    sign_in: Literal["required", "none"] = "required"
    """`none`: whoever reaches this machine's own address may do everything; for a trial, not for patients."""
    public_url: str = ""
    """Where browsers reach us (https://images.hospital.example), for what a provider sends back; empty: the address
    that the browser asked for."""
    idle_s: int = 3600
    """Seconds without a request after which a session ends; a screen left alone shows patients."""
    absolute_s: int = 43_200
    """Seconds after which a session ends in any case: one working day."""
    fresh_s: float = 1.0
    """How long a process may believe what it knew of a session, a token or a role: when a revocation counts."""
    second_factor: Literal["optional", "required"] = "optional"
    """`required`: whoever signs in with a password has a second factor, or sets one up before anything else."""
    one_time_s: int = 259_200
    """Seconds that a password given by somebody else can be used, once."""
    password_min: int = 12
    """Least number of characters of a password."""
    hash_mib: int = 64
    """Memory of one password hash (Argon2id); when it grows, hashes are made anew as people sign in."""
    hash_rounds: int = 3
    """Passes over that memory."""
    hashes_at_once: int = 2
    """Passwords that one process checks at the same time; more wait their turn, so that sign-ins leave the machine
    to the images."""
    attempts: int = 10
    """Wrong passwords or codes for one account, within `attempts_s`, after which it has to wait."""
    attempts_address: int = 50
    """The same for one address, whatever the accounts: a hospital may stand behind one address."""
    attempts_s: int = 900
    """Seconds after which they are forgotten."""
    token_days: int = 365
    """Longest life of an API token."""
    emergency_s: int = 14_400
    """Seconds that a broken glass stays open."""
    oidc: tuple[Provider, ...] = ()
    """Providers of OpenID Connect."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("idle_s", 60, 86_400),
            ("absolute_s", 60, 604_800),
            ("fresh_s", 0, 60),
            ("one_time_s", 60, 2_592_000),
            ("password_min", 8, 64),
            ("hash_mib", 8, 4096),
            ("hash_rounds", 1, 100),
            ("hashes_at_once", 1, 64),
            ("attempts", 3, 1000),
            ("attempts_address", 3, 100_000),
            ("attempts_s", 1, 86_400),
            ("token_days", 1, 3650),
            ("emergency_s", 60, 604_800),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise Invalid("bad_setting", f"access.{name} is {value}; allowed: {low} to {high}")
        if len({one.name for one in self.oidc}) != len(self.oidc):
            raise Invalid("bad_setting", "access.oidc names a provider twice")

    def provider(self, name: str) -> Provider | None:
        """The provider of that name."""
        return next((one for one in self.oidc if one.name == name), None)
