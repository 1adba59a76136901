"""The organs: each function composes a scene in a staining's dyes."""

from collections.abc import Callable

from lamelle.ops.demo.organs.breast import breast
from lamelle.ops.demo.organs.colon import colon
from lamelle.ops.demo.organs.kidney import kidney
from lamelle.ops.demo.organs.liver import liver
from lamelle.ops.demo.organs.node import node
from lamelle.ops.demo.organs.prostate import prostate
from lamelle.ops.demo.organs.skin import skin
from lamelle.ops.demo.scene import Scene
from lamelle.ops.demo.tissue import Staining

ORGANS: dict[str, Callable[[Scene, Staining], None]] = {
    "breast": breast,
    "colon": colon,
    "kidney": kidney,
    "liver": liver,
    "node": node,
    "prostate": prostate,
    "skin": skin,
}
