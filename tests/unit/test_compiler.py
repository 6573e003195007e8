"""From a watch to SQL: the golden files show what is run, and no name in the settings can become SQL of its own.

`RTP_UPDATE_GOLDEN=1 pytest tests/unit/test_compiler.py` writes the golden files anew; read the difference.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.settings.models import Settings
from core.settings.watches import Constant, ProtocolColumns, ProtocolWatch, TvlColumns, TvlWatch, Watch
from core.sinks.settings import load_settings
from triggers.compiler import CompiledWatch, compile_watch, trigger_name, trigger_names

GOLDEN = Path(__file__).parent / "golden"
NUMERIC = {"tvl_usd": "numeric", "price_usd": "numeric"}
WATCHES: dict[str, dict[str, Any]] = {
    "tvl_minimal": {"kind": "tvl", "table": "tvl", "columns": {"protocol": "protocol", "value": "tvl_usd"}},
    "price_of_floats": {
        "kind": "price",
        "table": "market.prices",
        "percent": "0.25",
        "min_change": "0.000001",
        "emit_first": True,
        "confidence": 0.8,
        "provenance": "desk",
        "columns": {
            "chain": {"const": "ethereum"},
            "token": "symbol",
            "value": "price",
            "changed_at": "at",
            "confidence": "trust",
            "provenance": "feed",
        },
    },
    "protocol_of_any_type": {
        "kind": "protocol",
        "table": "protocols",
        "columns": {"protocol": "slug", "chain": "chain"},
        "watched": ["name", "config"],
    },
}
COLUMN_TYPES = NUMERIC | {"price": "double precision", "trust": "real", "config": "json"}


def text_of(compiled: CompiledWatch) -> str:
    statements = [*compiled.functions, *compiled.triggers, compiled.seed]
    return "\n".join(statement.as_string(None).rstrip(";") + ";\n" for statement in statements)


def default_watches() -> dict[str, Watch]:
    return dict(load_settings(None, environ={}, options={}).watches)


def golden_watches() -> dict[str, Watch]:
    return default_watches() | dict(Settings.model_validate({"watches": WATCHES}).watches)


@pytest.mark.parametrize("name", ["tvl", "prices", "protocols", *WATCHES])
def test_a_watch_compiles_to_its_golden_file(name: str) -> None:
    compiled = text_of(compile_watch(name, golden_watches()[name], watch_id=1, rules=1, column_types=COLUMN_TYPES))
    path = GOLDEN / f"{name}.sql"
    if os.environ.get("RTP_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(compiled, encoding="utf-8")
    assert compiled == path.read_text(encoding="utf-8")


def test_every_golden_file_belongs_to_a_watch() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(golden_watches())


def test_every_default_watch_has_a_golden_file() -> None:
    assert set(default_watches()) <= {path.stem for path in GOLDEN.iterdir()}


def test_compiling_twice_gives_the_same_sql() -> None:
    watch = default_watches()["tvl"]
    first, second = (text_of(compile_watch("tvl", watch, watch_id=1, rules=1, column_types=NUMERIC)) for _ in range(2))
    assert first == second


def test_the_triggers_are_named_as_they_are_listed() -> None:
    compiled = compile_watch("tvl", default_watches()["tvl"], watch_id=1, rules=1, column_types=NUMERIC)
    names = trigger_names("tvl", default_watches()["tvl"])
    assert [name for name in names if f'TRIGGER "{name}"' in text_of(compiled)] == names


def test_a_watchs_longest_name_leaves_room_for_the_operation() -> None:
    assert len(trigger_name("w" * 40, "TRUNCATE")) <= 63


# Names that mean harm: whatever they hold, the SQL around them stays the same

HOSTILE = [
    'quo"te',
    "apo'strophe",
    "back\\slash",
    "new\nline",
    "carriage\rreturn",
    "{brace}",
    "{}",
    "{0}",
    "%s",
    "%(x)s",
    "%%",
    "$rtp$",
    "$rtp$; DROP TABLE x; $rtp$",
    "$rtp_$ and $rtp$",
    "$rtp",
    "rtp$",
    "$",
    "; --",
    "/* */",
    '"; DROP TABLE x; --',
    "'); DROP TABLE x; --",
    "\\'; DROP TABLE x; --",
    "E'",
    'U&"',
    "\N{SNOWMAN}",
]
NAMES = st.text(st.sampled_from("\"'\\$rtp_{}%;-/*\n aE&"), min_size=1, max_size=15)


def value_watch(name: str) -> Watch:
    columns = TvlColumns.model_construct(
        chain=Constant.model_construct(const=name),
        protocol=name,
        value=name,
        changed_at=name,
        confidence=name,
        provenance=name,
    )
    return TvlWatch.model_construct(kind="tvl", table=name.replace(".", "_"), columns=columns, provenance=name)


def protocol_watch(name: str) -> Watch:
    columns = ProtocolColumns.model_construct(
        chain=name, protocol=name, changed_at=None, confidence=None, provenance=None
    )
    return ProtocolWatch.model_construct(
        kind="protocol", table=name.replace(".", "_"), columns=columns, provenance=name, watched=(name, name)
    )


def skeleton(statement: str) -> str:
    """The SQL without what is quoted, and without comments; dollar quotes all alike."""
    token = re.compile(r"""--[^\n]*|"(?:[^"]|"")*"|\ E'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'""", re.DOTALL)

    def placeholder(match: re.Match[str]) -> str:
        return {"-": "", '"': '"name"'}.get(match[0][0], "'text'")

    return re.sub(r"\$rtp_*\$", "$rtp$", token.sub(placeholder, statement))


def skeletons(watch: Watch) -> str:
    return skeleton(text_of(compile_watch("it", watch, watch_id=1, rules=1, column_types={})))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_changes_nothing_around_it_in_a_value_watch(name: str) -> None:
    assert skeletons(value_watch(name)) == skeletons(value_watch("plain"))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_changes_nothing_around_it_in_a_protocol_watch(name: str) -> None:
    assert skeletons(protocol_watch(name)) == skeletons(protocol_watch("plain"))


@given(NAMES)
def test_no_name_changes_anything_around_it(name: str) -> None:
    assert skeletons(value_watch(name)) == skeletons(value_watch("plain"))


@given(NAMES)
def test_no_name_ends_the_functions_body(name: str) -> None:
    function = compile_watch("it", value_watch(name), watch_id=1, rules=1, column_types={}).functions[0].as_string(None)
    tags = re.findall(r"^AS (\$rtp_*\$)$", function, re.MULTILINE)
    assert [function.count(tag) for tag in tags] == [2]
