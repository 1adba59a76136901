"""The width of edges tells focus, whatever the stain and its contrast; where nothing has edges nothing is said."""

import numpy as np
import pytest
from tests.unit.lab.quality.conftest import Picture, taken

from lamelle.lab.quality import focus
from lamelle.lab.quality.judging import DEFAULTS

LIMIT = DEFAULTS["field_blur_um"].warn or 0.0
UM = 0.5


def test_a_sharp_field_has_narrow_edges(field: Picture) -> None:
    width = focus.width(taken(field), UM)
    assert width is not None and width < LIMIT / 2


@pytest.mark.parametrize("sigma_um", [1.0, 1.5, 2.0, 3.0, 4.0])
def test_what_is_out_of_focus_has_wide_ones(field: Picture, sigma_um: float) -> None:
    width = focus.width(taken(field, sigma_um / UM), UM)
    assert width is not None and width > LIMIT


def test_the_width_is_that_of_the_blur(field: Picture) -> None:
    found = [focus.width(taken(field, sigma / UM), UM) or 0 for sigma in (0.5, 0.75, 1.0)]
    assert found == sorted(found)
    assert found[-1] == pytest.approx(1.0, abs=0.35)


def test_a_pale_stain_is_as_sharp(field: Picture) -> None:
    """A fifth of the contrast, as in immunohistochemistry without a marked cell."""
    pale = (243 - (243 - field.astype(np.float32)) / 5).astype(np.uint8)
    sharp, blurred = focus.width(taken(pale), UM), focus.width(taken(pale, 1.5 / UM), UM)
    assert sharp is not None and sharp < LIMIT
    assert blurred is None or blurred > LIMIT


def test_glass_says_nothing() -> None:
    glass = np.full((256, 256, 3), 243, np.uint8)
    assert focus.width(taken(glass), UM) is None


def test_only_tissue_is_looked_at(field: Picture) -> None:
    """Dust on the cover slip is sharp, and says nothing of the tissue below it."""
    both = taken(field, 1.5 / UM).copy()
    both[:, :128] = taken(field)[:, :128]
    tissue = np.zeros((256, 256), np.bool_)
    tissue[:, 140:] = True
    whole, part = focus.width(both, UM), focus.width(both, UM, tissue)
    assert whole is not None and part is not None
    assert whole < LIMIT < part


def test_too_small_a_field_says_nothing(field: Picture) -> None:
    assert focus.width(field[:20, :20], UM) is None
