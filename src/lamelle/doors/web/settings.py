"""What the pages can be told; ops/config fills it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Settings of the pages."""

    show_labels: bool = True
    """Show the pictures of labels and whole slides, which may name the patient; false: the pages and their API refuse
    them. DICOMweb gives LABEL and OVERVIEW images all the same, as it gives every instance."""
