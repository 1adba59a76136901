"""The viewer's types are those of the JSON API."""

from pathlib import Path

from lamelle.doors.web.api import shapes
from lamelle.doors.web.typescript import types

WRITTEN = Path(__file__).parents[4] / "viewer" / "src" / "data" / "api.ts"


def test_the_viewers_types_are_written_from_the_api() -> None:
    assert WRITTEN.read_text() == types(shapes()), (
        "run `python -m lamelle.doors.web.typescript > viewer/src/data/api.ts`"
    )


def test_kinds_of_types() -> None:
    fields = {
        "a": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "b": {"type": "array", "items": {"$ref": "#/components/schemas/Other"}},
        "c": {"enum": ["x", "y"]},
        "d": {"type": "array", "items": {"enum": ["x", "y"]}},
        "e": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    thing = {"properties": fields, "required": ["a", "b", "c"]}
    text = types({"components": {"schemas": {"Thing": thing, "Colour": {"type": "string", "enum": ["red", "blue"]}}}})
    assert "  a: number | null;\n" in text
    assert "  b: Other[];\n" in text
    assert '  c: "x" | "y";\n' in text
    assert '  d?: ("x" | "y")[];\n' in text
    assert "  e?: Record<string, string>;\n" in text
    assert '\nexport type Colour = "red" | "blue";\n' in text
