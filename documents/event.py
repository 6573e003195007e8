"""The event's fields, from its JSON Schema."""

from __future__ import annotations

from typing import Any

from documents.table import table
from rtp_client.event import event_schema


def event_page() -> str:
    """The page."""
    schema = event_schema()
    data = schema["$defs"]["EventData"]
    return (
        "\n\n".join(
            [
                "# The event's fields",
                "Written from the JSON Schema that `rtp schema` prints. " + schema["description"],
                _fields(schema, leave_out="data"),
                "## data",
                data["description"],
                _fields(data),
                "## reason",
                ", ".join(f"`{reason}`" for reason in schema["$defs"]["Reason"]["enum"])
                + ": [the rule book](detection.md) says when each is given.",
            ]
        )
        + "\n"
    )


def _fields(model: dict[str, Any], leave_out: str = "") -> str:
    required = model.get("required", ())
    rows = [
        (f"`{name}`", "always" if name in required or "const" in field else "where it applies", _told(field))
        for name, field in model["properties"].items()
        if name != leave_out
    ]
    return table(("field", "there", ""), rows)


def _told(field: dict[str, Any]) -> str:
    return str(field.get("description") or (f"`{field['const']}`" if "const" in field else ""))
