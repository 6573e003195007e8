"""A watch of each shape that compiles to SQL of its own, the table that it is for, and its SQL in a golden file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.watching import settings_of
from triggers.columns import ColumnTypes
from triggers.compiler import CompiledWatch, compile_watch

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent / "unit" / "golden"

_PRICE = {
    "kind": "price",
    "table": "market.prices",
    "percent": "0.25",
    "columns": {
        "chain": "chain",
        "token": "symbol",
        "value": "price",
        "changed_at": "at",
        "confidence": "trust",
        "provenance": "feed",
    },
}
WATCHES: Mapping[str, dict[str, Any]] = {
    "latest": {
        "kind": "tvl",
        "table": "tvl",
        "columns": {"chain": {"const": "ethereum"}, "protocol": "protocol", "value": "usd", "changed_at": "at"},
        "overrides": [{"protocol": "li*", "percent": 5}, {"protocol": "new*", "emit_first": True}],
    },
    "latest_with_memory": _PRICE | {"heartbeat": "1h", "provenance": "desk", "confidence": 0.8},
    "history": _PRICE
    | {
        "shape": "history",
        "cooldown": "1m",
        "glitch_guard": {"factor": 10},
        "overrides": [{"token": "usdc", "peg": 1.0}],
    },
    "sources": {
        "kind": "price",
        "table": "venue_prices",
        "shape": "history",
        "columns": {"chain": "chain", "token": "symbol", "value": "price", "changed_at": "at", "source": "venue"},
        "agree": {"sources": 2, "within": "1m"},
    },
    "aliased": {
        "kind": "protocol",
        "table": "protocols",
        "columns": {"protocol": "slug", "chain": "chain"},
        "watched": ["name"],
        "aliases": {"uni": "uniswap", "uniswap-v1": "uniswap", "l'ido": "lido"},
        "chain_aliases": {"matic": "polygon"},
    },
    "protocol": {
        "kind": "protocol",
        "table": "protocols",
        "columns": {"protocol": "slug", "chain": "chain"},
        "watched": ["name", "config"],
    },
}
_PROTOCOLS = "CREATE TABLE public.protocols (slug text, chain text, name text, config json)"
_PRICES = """CREATE SCHEMA market;
CREATE TABLE market.prices (
    chain text, symbol text, price numeric, at timestamptz DEFAULT now(), trust double precision, feed text
)"""
TABLES: Mapping[str, str] = {
    "latest": "CREATE TABLE public.tvl (protocol text, usd numeric, at timestamptz DEFAULT now())",
    "latest_with_memory": _PRICES,
    "history": _PRICES,
    "sources": "CREATE TABLE public.venue_prices (chain text, symbol text, venue text, price numeric, at timestamptz)",
    "aliased": _PROTOCOLS,
    "protocol": _PROTOCOLS,
}
COLUMN_TYPES = {
    **dict.fromkeys(("chain", "symbol", "feed", "protocol", "slug", "name", "venue"), "text"),
    "usd": "numeric",
    "price": "numeric",
    "at": "timestamp with time zone",
    "trust": "double precision",
    "config": "json",
}


def compiled(name: str, watch: dict[str, Any], **column_types: str) -> str:
    """What a watch compiles to, as one script."""
    (model,) = settings_of(**{name: watch}).watches.values()
    types = ColumnTypes(COLUMN_TYPES | column_types)
    return text_of(compile_watch(name, model, watch_id=1, rules=1, column_types=types))


def text_of(compiled_watch: CompiledWatch) -> str:
    """The statements, one after another, as they are run."""
    statements = [
        *compiled_watch.functions,
        *compiled_watch.triggers,
        *compiled_watch.seed,
        *compiled_watch.content,
        compiled_watch.note,
        *compiled_watch.catch_up,
        *compiled_watch.carry_over,
    ]
    return "\n".join(statement.as_string(None).rstrip(";") + ";\n" for statement in statements)
