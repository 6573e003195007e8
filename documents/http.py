"""What rtp answers over HTTP: the gateway's OpenAPI document, and the probes of every process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.gateway.rest.openapi import openapi_document
from core.gateway.rest.operations import OPERATIONS
from core.monitor.answers import PATHS
from core.monitor.progress import REASONS
from documents.schemas import named_in, sections, type_of
from documents.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator


def http_page() -> str:
    """The page."""
    document = openapi_document(OPERATIONS, version="", asks_for_token=True)
    schemas = document["components"]["schemas"]
    parts = [
        "# HTTP: every path",
        "Written from the OpenAPI document that `rtp serve` has at `/openapi.json`, and from the probes of every"
        " process. [REST](rest.md) says how to use it; [the live channels](live.md) have"
        " [their messages](messages.md).",
        "## Metrics and probes",
        "Of `rtp run --http`, of `rtp notify --http`, and of `rtp serve` at its own address. GET and HEAD.",
        table(("path", "answer"), [(f"`{path}`", told) for path, told in PATHS.items()]),
        "A `reason` of `/readyz` is one of these; beside it are `subject`, `detail` and, where it is known, `since`.",
        table(("reason", ""), [(f"`{reason}`", told) for reason, told in REASONS.items()]),
        *(part for path, methods in document["paths"].items() for part in _operation(path, methods["get"])),
        "## Answers",
        *sections(named_in(document["paths"], schemas), schemas),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _operation(path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## {path}"
    yield f"{operation['summary']}."
    rows = [
        (f"`{one['name']}`", one["in"], type_of(one["schema"]), _default(one["schema"]), one["description"])
        for one in operation["parameters"]
    ]
    yield table(("parameter", "in", "is", "default", ""), rows) if rows else ""
    yield table(
        ("status", "answer", ""),
        [
            (status, type_of(answer["content"]["application/json"]["schema"]), answer["description"])
            for status, answer in operation["responses"].items()
        ],
    )


def _default(schema: dict[str, Any]) -> str:
    return f"`{schema['default']}`" if "default" in schema else ""
