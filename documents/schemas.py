"""The members of JSON Schema's objects, as tables; what has a name is a link to its own table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from documents.table import table
from rtp_client.event import event_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Schema = dict[str, Any]

_PLAIN = {
    "array": "a list",
    "object": "an object",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_BOUNDS = {"minimum": "≥", "maximum": "≤", "minItems": "at least", "maxItems": "at most"}
_OF_THE_EVENT = {"Event", *event_schema()["$defs"]}
"""They have a page of their own."""


def members(model: Schema) -> str:
    """An object's members: name, type, whether they are always there, what they mean."""
    required = model.get("required", ())
    rows = [
        (
            f"`{name}`",
            type_of(member) + _unless_given(member),
            "yes" if name in required else "",
            str(member.get("description", "")),
        )
        for name, member in model.get("properties", {}).items()
    ]
    return table(("member", "is", "always", ""), rows) if rows else ""


def type_of(schema: Schema) -> str:
    """What a value is, in words."""
    if reference := schema.get("$ref"):
        return linked(reference.rpartition("/")[2])
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if several := [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        return " or ".join(dict.fromkeys(type_of(one) for one in several))
    kind = _PLAIN.get(str(schema.get("type")), "any value")
    if "prefixItems" in schema:
        return f"a list of {len(schema['prefixItems'])}: " + ", ".join(map(type_of, schema["prefixItems"]))
    if isinstance(items := schema.get("items"), dict):
        kind = f"a list of: {type_of(items)}"
    bounds = ", ".join(f"{sign} {schema[word]:,}" for word, sign in _BOUNDS.items() if word in schema)
    return f"{kind} ({bounds})" if bounds else kind


def _unless_given(schema: Schema) -> str:
    return f"; `{json.dumps(schema['default'])}` where it is not given" if schema.get("default") is not None else ""


def linked(name: str) -> str:
    """The name of a schema, as a link to where it is told."""
    return f"[{name}](event-schema.md)" if name in _OF_THE_EVENT else f"[{name}](#{name.lower()})"


def named_in(part: Any, schemas: Mapping[str, Schema]) -> Iterator[str]:
    """The schemas that a part of a document leads to, each once, without those of the event."""
    seen: dict[str, None] = {}
    waiting = [part]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, dict) and isinstance(reference := one.get("$ref"), str) and "/schemas/" in reference:
            name = reference.rpartition("/")[2]
            if name not in seen and name not in _OF_THE_EVENT:
                seen[name] = None
                waiting.append(schemas[name])
        waiting[:0] = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return iter(seen)


def sections(names: Iterator[str], schemas: Mapping[str, Schema]) -> Iterator[str]:
    """A heading, a sentence and a table for each."""
    for name in names:
        model = schemas[name]
        yield f"### {name}"
        yield str(model.get("description", ""))
        yield members(model) or type_of(model)
