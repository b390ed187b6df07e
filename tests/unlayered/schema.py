"""The part of JSON Schema that our schemas use, checked: types, properties, items, choices, references."""

from __future__ import annotations

from typing import Any

KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def check(value: Any, schema: dict[str, Any], root: dict[str, Any], where: str = "$") -> None:
    """Raise AssertionError with the place of the first thing that a schema does not allow."""
    if "$ref" in schema:
        check(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root, where)
    if "anyOf" in schema:
        assert any(_fits(value, choice, root) for choice in schema["anyOf"]), f"{where}: {value!r} is none of anyOf"
    if "const" in schema:
        assert value == schema["const"], f"{where}: {value!r}"
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r}"
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(_is(value, kind) for kind in kinds), f"{where}: {value!r} is no {' or '.join(kinds)}"
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name in schema.get("required", []):
            assert name in value, f"{where} lacks {name!r}"
        for name, part in value.items():
            assert name in known or schema.get("additionalProperties", True), f"{where} has {name!r}"
            check(part, known.get(name, {}), root, f"{where}.{name}")
    if isinstance(value, list) and "items" in schema:
        for i, part in enumerate(value):
            check(part, schema["items"], root, f"{where}[{i}]")


def _fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    try:
        check(value, schema, root)
    except AssertionError:
        return False
    return True


def _is(value: Any, kind: str) -> bool:
    if kind in ("number", "integer"):
        numbers = (int, float) if kind == "number" else int
        return isinstance(value, numbers) and not isinstance(value, bool)
    return isinstance(value, KINDS[kind])
