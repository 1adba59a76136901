"""What the words of a scope allow: never more than they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.access import scopes
from lamelle.access.model import Action
from lamelle.base.errors import Invalid

SEE = {Action.VIEW, Action.VIEW_LABEL, Action.EXPORT}


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("system/ImagingStudy.rs", SEE),
        ("user/ImagingStudy.read openid profile", SEE),
        ("system/ImagingStudy.c", {Action.STORE}),
        ("system/ImagingStudy.r", set()),
        ("system/ImagingStudy.s", set()),
        ("system/ImagingStudy.r system/ImagingStudy.s", set()),
        ("system/ImagingStudy.sr", set()),
        ("system/ImagingStudy.rs?status=available", set()),
        ("patient/ImagingStudy.rs", set()),
        ("system/Patient.rs", {Action.READ}),
        ("system/imagingstudy.rs", set()),
        ("system/ImagingStudy.", set()),
        ("system/Task.crus", {Action.READ, Action.SCHEDULE}),
        ("system/ServiceRequest.*", {Action.READ, Action.SCHEDULE}),
        ("system/Task.rs", {Action.READ}),
        ("system/AuditEvent.rs", {Action.AUDIT}),
        ("system/*.rs", SEE | {Action.READ, Action.AUDIT, Action.OPERATE}),
        ("system/*.cruds", set(Action) - {Action.BREAK_GLASS, Action.VALIDATE}),
        ("lamelle/view lamelle/store", {Action.VIEW, Action.STORE}),
        ("lamelle/break_glass lamelle/validate", set()),
        ("system/DiagnosticReport.crus", {Action.READ, Action.REPORT}),
        ("lamelle/anything view", set()),
        ("", set()),
    ],
)
def test_words_and_what_they_allow(scope: str, allowed: set[Action]) -> None:
    assert scopes.actions(scope) == allowed


@given(st.frozensets(st.sampled_from(sorted(set(Action) - {Action.BREAK_GLASS, Action.VALIDATE})), min_size=1))
def test_actions_that_are_named_are_those_allowed(wanted: frozenset[Action]) -> None:
    assert scopes.actions(scopes.naming(wanted)) == wanted


@given(st.text("lamebrk_gsuytcdv/.* ISAE", max_size=40))
def test_whatever_is_said_breaks_no_glass(scope: str) -> None:
    assert Action.BREAK_GLASS not in scopes.actions(scope)


@pytest.mark.parametrize("scope", ["", "  ", "openid", "system/ImagingStudy.rs nonsense", "lamelle/break_glass"])
def test_a_word_that_allows_nothing_is_refused_when_a_token_is_made(scope: str) -> None:
    with pytest.raises(Invalid):
        scopes.check(scope)


@pytest.mark.parametrize(
    ("scope", "resource", "letters", "allowed"),
    [
        ("system/Patient.rs", "Patient", "r", True),
        ("system/Patient.rs", "Patient", "c", False),
        ("system/Patient.rs", "Specimen", "r", False),
        ("system/*.read", "Specimen", "s", True),
        ("user/Patient.r user/Patient.s", "Patient", "rs", False),
        ("lamelle/read", "DiagnosticReport", "rs", True),
        ("lamelle/read", "ImagingStudy", "rs", False),
        ("lamelle/view", "ImagingStudy", "rs", True),
        ("lamelle/schedule", "ServiceRequest", "c", True),
        ("lamelle/nothing nonsense", "Patient", "r", False),
    ],
)
def test_kinds_of_resources_are_told_apart(scope: str, resource: str, letters: str, allowed: bool) -> None:
    assert scopes.allows(scope, resource, letters) is allowed
