"""TypeScript types of the JSON API, written from its OpenAPI description: `python -m lamelle.doors.web.typescript`."""

import json
import sys
from typing import Any

HEAD = "// Written by `python -m lamelle.doors.web.typescript`; a test keeps it true. Do not edit.\n"
SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def types(openapi: dict[str, Any]) -> str:
    """One exported type for each schema, in alphabetical order."""
    schemas: dict[str, Any] = openapi["components"]["schemas"]
    return HEAD + "".join(_declaration(name, schemas[name]) for name in sorted(schemas))


def _declaration(name: str, schema: dict[str, Any]) -> str:
    if "properties" not in schema:
        return f"\nexport type {name} = {_type(schema)};\n"
    required = set(schema.get("required", ()))
    fields = "".join(
        f"  {field}{'' if field in required else '?'}: {_type(kind)};\n"
        for field, kind in schema.get("properties", {}).items()
    )
    return f"\nexport type {name} = {{\n{fields}}};\n"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(map(_type, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return " | ".join(map(json.dumps, schema.get("enum") or [schema["const"]]))
    if schema.get("type") == "array":
        item = _type(schema["items"])
        return f"({item})[]" if " | " in item else f"{item}[]"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"Record<string, {_type(schema['additionalProperties'])}>"
    return SCALARS.get(schema.get("type", ""), "unknown")


if __name__ == "__main__":
    from lamelle.doors.web.api import shapes

    sys.stdout.write(types(shapes()))
