"""What the pages can be told; ops/config fills it."""

from dataclasses import dataclass

from lamelle.access.model import Role


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account that everybody may use."""

    login: str
    password: str
    role: Role


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Settings of the pages."""

    show_labels: bool = True
    """Show the pictures of labels and whole slides, which may name the patient; false: the pages and their API refuse
    them. DICOMweb gives LABEL and OVERVIEW images all the same, as it gives every instance."""
    demo: tuple[DemoAccount, ...] = ()
    """Accounts that the sign-in page shows with their passwords: of a demonstration, never where patients are."""
