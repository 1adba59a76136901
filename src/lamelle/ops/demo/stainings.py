"""The stains of the demonstration, as recipes: which dye goes where."""

from lamelle.ops.demo.scene import ANILINE, DAB, EOSIN, FUCHSIN, HAEMATOXYLIN, MAGENTA, SAFFRON
from lamelle.ops.demo.tissue import Staining


def _brown(name: str, marks: str) -> Staining:
    return Staining(
        name,
        (HAEMATOXYLIN, EOSIN, DAB),
        0.62,
        (0, 0.085),
        (0, 0.06),
        (0, 0.075),
        (0, 0.12),
        (0, 0.07),
        (2, 0.14),
        (0, 0.3),
        0.03,
        marks,
    )


STAININGS: dict[str, Staining] = {
    "HE": Staining("HE", (HAEMATOXYLIN, EOSIN)),
    "HES": Staining("HES", (HAEMATOXYLIN, EOSIN, SAFFRON), collagen=(2, 0.72), membrane=(2, 0.4)),
    "KI67": _brown("KI67", "ki67"),
    "HER2": _brown("HER2", "her2"),
    "CD3": _brown("CD3", "cd3"),
    "PAS": Staining(
        "PAS",
        (HAEMATOXYLIN, MAGENTA),
        0.8,
        (1, 0.16),
        (1, 0.28),
        (1, 0.25),
        (1, 0.3),
        (1, 1.0),
        (1, 0.2),
        (1, 4.0),
        0.06,
    ),
    "TRICHROME": Staining(
        "TRICHROME",
        (HAEMATOXYLIN, FUCHSIN, ANILINE),
        1.0,
        (1, 0.42),
        (2, 0.62),
        (1, 0.6),
        (1, 0.9),
        (2, 0.5),
        (1, 1.2),
        (2, 0.5),
        0.08,
    ),
}
