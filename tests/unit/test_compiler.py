"""From a watch to SQL: the golden files show what is run, and no name in the settings can become SQL of its own.

`RTP_UPDATE_GOLDEN=1 pytest tests/unit/test_compiler.py` writes the golden files anew; read the difference.
"""

from __future__ import annotations

import json
import os
import re
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.judging.watches import watch_as_installed
from core.settings.watches import Columns, Constant, MetadataWatch, ValueColumns, ValueWatch, Watch
from tests.golden import COLUMN_TYPES, FOLDER, WATCHES, compiled, text_of
from tests.watching import settings_of
from triggers.columns import ColumnTypes
from triggers.compiler import compile_watch, trigger_name, trigger_names

TEMPLATES = sorted(Path(str(files("triggers"))).glob("sql/templates/*.sql"))


@pytest.mark.parametrize("name", WATCHES)
def test_a_watch_compiles_to_its_golden_file(name: str) -> None:
    path = FOLDER / f"{name}.sql"
    sql = compiled(name, WATCHES[name])
    if os.environ.get("RTP_UPDATE_GOLDEN"):
        path.write_text(sql, encoding="utf-8")
    assert sql == path.read_text(encoding="utf-8")


def test_every_golden_file_belongs_to_a_watch() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(WATCHES)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_every_template_stands_in_a_golden_file(template: Path) -> None:
    """Some are run from a string, where each apostrophe stands twice."""
    part = max(re.split(r"\{\w+\}", template.read_text(encoding="utf-8").rstrip("\n")), key=len)
    golden = [path.read_text(encoding="utf-8") for path in FOLDER.iterdir()]
    assert any(part in sql or part.replace("'", "''") in sql for sql in golden)


def test_compiling_twice_gives_the_same_sql() -> None:
    first, second = (compiled("latest", WATCHES["latest"]) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", WATCHES)
def test_a_watch_as_the_database_keeps_it_compiles_to_the_same_sql(name: str) -> None:
    (wanted,) = settings_of(**{name: WATCHES[name]}).watches.values()
    types = ColumnTypes(COLUMN_TYPES)
    kept = watch_as_installed(name, json.loads(wanted.model_dump_json(exclude_none=True)))
    both = [text_of(compile_watch(name, one, watch_id=1, rules=1, column_types=types)) for one in (wanted, kept)]
    assert both[0] == both[1]


# What a type, or a column that is there or not, changes


@pytest.mark.parametrize("name", ["latest", "latest_with_memory", "history"])
@pytest.mark.parametrize("floats", ["real", "double precision"])
def test_floats_reach_numeric_through_text_with_all_their_digits(name: str, floats: str) -> None:
    sql = compiled(name, WATCHES[name], usd=floats, price=floats)
    assert re.search(r'"(usd|price)", NULL::[a-z ]+\)::text::numeric', sql)
    assert not re.search(r'"(usd|price)", NULL::[a-z ]+\)::numeric', sql)
    # In the trigger's function, and in those of the values of now: where the trigger judges, of some entities, too.
    assert sql.count("SET extra_float_digits = 1") == (3 if name == "latest" else 2)


def test_numerics_are_taken_as_they_are() -> None:
    sql = compiled("latest", WATCHES["latest"])
    assert 'rtp.of_type("r"."usd", NULL::numeric)::numeric' in sql
    assert "extra_float_digits" not in sql


def test_text_is_a_number_where_it_looks_like_one() -> None:
    assert 'rtp.to_number(rtp.of_type("r"."usd"' in compiled("latest", WATCHES["latest"], usd="text")


def test_a_column_whose_type_has_no_equality_is_compared_as_text() -> None:
    differs = '{0}("o"."config", NULL::{1}){2} IS DISTINCT FROM {0}("r"."config", NULL::{1}){2}'
    assert differs.format("rtp.of_type", "json", "::text") in compiled("protocol", WATCHES["protocol"])
    assert differs.format("rtp.of_type", "jsonb", "") in compiled("protocol", WATCHES["protocol"], config="jsonb")


def test_a_column_of_confidence_or_provenance_comes_before_the_settings() -> None:
    sql = compiled("history", WATCHES["history"] | {"confidence": 0.8, "provenance": "desk"})
    assert 'rtp.sane_confidence(rtp.of_type("r"."trust"' in sql
    assert """coalesce(rtp.of_type("r"."feed", NULL::text)::text, 'desk')""" in sql


def test_without_a_column_of_times_a_row_is_as_old_as_its_statement() -> None:
    columns = WATCHES["latest_with_memory"]["columns"] | {"changed_at": None}
    assert 'statement_timestamp() AS "changed_at"' in compiled(
        "latest_with_memory", WATCHES["latest_with_memory"] | {"columns": columns}
    )


def test_the_triggers_are_named_as_they_are_listed() -> None:
    (watch,) = settings_of(tvl=WATCHES["latest"]).watches.values()
    names = trigger_names("tvl", watch)
    assert [name for name in names if f'TRIGGER "{name}"' in compiled("tvl", WATCHES["latest"])] == names


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
    columns = ValueColumns.model_construct(
        chain=Constant.model_construct(const=name),
        entity=name,
        value=name,
        changed_at=name,
        confidence=name,
        provenance=name,
    )
    return ValueWatch.model_construct(kind="tvl", table=name.replace(".", "_"), columns=columns, provenance=name)


def metadata_watch(name: str) -> Watch:
    columns = Columns.model_construct(chain=name, entity=name, changed_at=None, confidence=None, provenance=None)
    return MetadataWatch.model_construct(
        kind="protocol", table=name.replace(".", "_"), columns=columns, provenance=name, watched=(name, name)
    )


def skeleton(statement: str) -> str:
    """The SQL without what is quoted, and without comments; dollar quotes all alike."""
    token = re.compile(r"""--[^\n]*|"(?:[^"]|"")*"|\ E'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'""", re.DOTALL)

    def placeholder(match: re.Match[str]) -> str:
        return {"-": "", '"': '"name"'}.get(match[0][0], "'text'")

    return re.sub(r"\$rtp_*\$", "$rtp$", token.sub(placeholder, statement))


def skeletons(watch: Watch) -> str:
    return skeleton(text_of(compile_watch("it", watch, watch_id=1, rules=1, column_types=ColumnTypes())))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_changes_nothing_around_it_in_a_value_watch(name: str) -> None:
    assert skeletons(value_watch(name)) == skeletons(value_watch("plain"))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_changes_nothing_around_it_in_a_metadata_watch(name: str) -> None:
    assert skeletons(metadata_watch(name)) == skeletons(metadata_watch("plain"))


@given(NAMES)
def test_no_name_changes_anything_around_it(name: str) -> None:
    assert skeletons(value_watch(name)) == skeletons(value_watch("plain"))


@given(NAMES)
def test_no_name_ends_the_functions_body(name: str) -> None:
    function = (
        compile_watch("it", value_watch(name), watch_id=1, rules=1, column_types=ColumnTypes())
        .functions[0]
        .as_string(None)
    )
    tags = re.findall(r"^AS (\$rtp_*\$)$", function, re.MULTILINE)
    assert [function.count(tag) for tag in tags] == [2]
