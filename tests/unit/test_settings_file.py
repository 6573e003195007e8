"""Settings come from a file, the environment and options; whatever is wrong is said in one line, with its place."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import SettingsError
from core.settings.file import default_path
from core.settings.models import Settings
from core.settings.peg import Peg
from core.settings.rules import override_value
from core.settings.watches import Constant
from core.sinks.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Load = Callable[..., Settings]
    Complaints = Callable[..., list[str]]

CONFIGS = Path(__file__).parents[2] / "configs"
DEFAULT = (CONFIGS / "default.yaml").read_bytes()

TVL = """\
watches:
  tvl:
    kind: tvl
    table: tvl
    columns: {protocol: protocol, value: tvl_usd}
"""


def changed(old: str, new: str) -> str:
    """The smallest valid file with one change."""
    assert old in TVL
    return TVL.replace(old, new)


def with_tvl(line: str) -> str:
    """The smallest valid file, with one more line (line 6) in its watch."""
    return f"{TVL}    {line}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my.yaml"


@pytest.fixture
def load(file: Path) -> Load:
    """Load a file with this content, as if nothing else were said."""

    def load(
        content: str | bytes = TVL,
        environ: Mapping[str, str] | None = None,
        options: Mapping[str, str | None] | None = None,
    ) -> Settings:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return load_settings(file, environ=environ or {}, options=options or {})

    return load


@pytest.fixture
def complaints(load: Load, file: Path) -> Complaints:
    """The lines said about such a file, its folder left out."""

    def complaints(
        content: str | bytes = TVL,
        environ: Mapping[str, str] | None = None,
        options: Mapping[str, str | None] | None = None,
    ) -> list[str]:
        with pytest.raises(SettingsError) as refusal:
            load(content, environ, options)
        return refusal.value.message.replace(f"{file.parent}/", "").split("\n")

    return complaints


# What can be said, and who wins.


PRICES = """\
watches:
  prices:
    kind: price
    table: prices
    columns: {token: token, value: price_usd}
"""


@pytest.mark.parametrize("written", ["1.0", "{value: 1.0}", "{value: 1.0, deviation_bps: 50}"])
def test_a_peg_may_be_its_value_alone(load: Load, written: str) -> None:
    watch = load(f"{PRICES}    peg: {written}\n").watches["prices"]
    assert watch.has_value
    assert override_value(watch, "peg") == Peg(value=Decimal(1), deviation_bps=Decimal(50))


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("aliases: {table: renames, from: old}", "watches.tvl.aliases.to: is missing"),
        ("aliases: {table: renames, from: old, to: new, when: at}", "watches.tvl.aliases.when: unknown key"),
        ("aliases: {a: b, b: a}", "a leads to b, which leads back to it"),
        ("aliases: [uni]", "watches.tvl.aliases: must be a mapping"),
        ("aliases: {uni: uni}", "uni cannot be an alias of itself"),
        ("aliases: {a: b, b: c}", "a leads to b, an alias itself. Name c for both"),
        (
            "aliases: {uni: uniswap}\n    overrides: [{protocol: uni, percent: 5}]",
            "overrides[0] names the alias uni. Name uniswap",
        ),
    ],
)
def test_an_alias_that_leads_nowhere_is_refused(complaints: Complaints, written: str, complaint: str) -> None:
    (told,) = complaints(with_tvl(written))
    assert complaint in told


def test_a_stream_source_cannot_read_aliases_from_a_table(complaints: Complaints) -> None:
    fed = "dynamodb: {tables: {tvl: {table: tvl-live}}}"
    (told,) = complaints(f"{with_tvl('aliases: {table: renames, from: old, to: new}')}{fed}\n")
    assert "dynamodb: tvl has aliases in a table, which a stream source cannot read. Write them out" in told


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("0", "watches.prices.peg.value: must be more than 0"),
        ("-1", "watches.prices.peg.value: must be 0 or more"),
        ("dollar", "watches.prices.peg: must be a mapping (indented `key: value` lines), not dollar"),
        ("true", "watches.prices.peg: must be a mapping (indented `key: value` lines), not true"),
        (
            "{severity_bps: {critical: 5}}",
            "watches.prices.peg: severity_bps must rise from warning (50, as deviation_bps) to critical (5)",
        ),
    ],
)
def test_a_peg_that_is_no_price_is_refused(complaints: Complaints, written: str, complaint: str) -> None:
    assert complaints(f"{PRICES}    peg: {written}\n") == [f"my.yaml:6: {complaint}"]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("glitch_guard: {factor: 10, release_after: 0s}", "glitch_guard.release_after"),
        ("agree: {sources: 2, within: 0s}", "agree.within"),
    ],
)
def test_a_time_that_is_none_is_refused(complaints: Complaints, written: str, key: str) -> None:
    assert complaints(f"{PRICES}    {written}\n") == [f"my.yaml:6: watches.prices.{key}: must be more than 0s, not 0s"]


@pytest.mark.parametrize("written", ["off", "'off'", "false"])
def test_statistics_may_be_off_without_quotes(load: Load, written: str) -> None:
    assert load(f"{TVL}triggers: {{statistics: {written}}}\n").triggers.statistics == "off"


def test_a_choice_that_is_none_is_told_the_choices(complaints: Complaints) -> None:
    assert complaints(with_tvl("shape: histroy")) == [
        "my.yaml:6: watches.tvl.shape: must be latest or history, not histroy"
    ]


SETTINGS_FILES = sorted(path for path in CONFIGS.glob("**/*.yaml") if not path.name.startswith("prometheus-"))


@pytest.mark.parametrize("path", SETTINGS_FILES, ids=lambda path: path.name)
def test_every_settings_file_in_configs_can_be_used(path: Path) -> None:
    load_settings(path, environ={}, options={})


@pytest.mark.parametrize("path", SETTINGS_FILES, ids=lambda path: path.name)
def test_where_libyaml_is_not_at_hand_a_file_reads_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_settings(path, environ={}, options={})
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert load_settings(path, environ={}, options={}) == loaded


def test_without_a_file_the_defaults_that_come_with_rtp_hold() -> None:
    assert default_path() == CONFIGS / "default.yaml"
    assert set(load_settings(None, environ={}, options={}).watches) == {"tvl", "prices", "protocols"}


@pytest.mark.parametrize(
    ("variable", "section", "field", "value"),
    [
        ("RTP_POSTGRES_DSN", "postgres", "dsn", "host=db"),
        ("RTP_REDIS_URL", "redis", "url", "redis://cache"),
        ("RTP_SQS_ENDPOINT_URL", "sqs", "endpoint_url", "http://localhost:4566"),
        ("RTP_SQS_QUEUE", "sqs", "queue", "other.fifo"),
        ("AWS_REGION", "sqs", "region", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "sqs", "region", "eu-west-1"),
    ],
)
def test_the_environment_fills_a_setting(load: Load, variable: str, section: str, field: str, value: str) -> None:
    assert getattr(getattr(load(environ={variable: value}), section), field) == value


def test_the_environment_is_stronger_than_the_file(load: Load) -> None:
    loaded = load(f"{TVL}sqs: {{queue: a.fifo}}", environ={"RTP_SQS_QUEUE": "b.fifo"})
    assert loaded.sqs.queue == "b.fifo"


def test_an_option_is_stronger_than_the_environment(load: Load) -> None:
    loaded = load(environ={"RTP_SQS_QUEUE": "b.fifo"}, options={"sqs.queue": "c.fifo"})
    assert loaded.sqs.queue == "c.fifo"


def test_aws_region_is_stronger_than_aws_default_region(load: Load) -> None:
    loaded = load(environ={"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"})
    assert loaded.sqs.region == "eu-west-1"


def test_an_option_that_was_not_given_changes_nothing(load: Load) -> None:
    assert load(f"{TVL}sqs: {{queue: a.fifo}}", options={"sqs.queue": None}).sqs.queue == "a.fifo"


def test_an_empty_variable_counts_as_unset(load: Load) -> None:
    assert load(f"{TVL}sqs: {{queue: a.fifo}}", environ={"RTP_SQS_QUEUE": ""}).sqs.queue == "a.fifo"


def test_the_newline_at_the_end_of_a_mounted_secret_is_ignored(load: Load) -> None:
    assert load(environ={"RTP_REDIS_URL": "redis://cache\n"}).redis.url == "redis://cache"


def test_a_number_can_come_as_an_option(load: Load) -> None:
    assert load(options={"run.poll_interval_ms": "2.5"}).run.poll_interval_ms == 2.5


def test_a_variable_reaches_only_its_own_section_where_sections_share_an_alias(load: Load) -> None:
    loaded = load(f"{TVL}redis: &same {{timeout_seconds: 1}}\nsqs: *same\n", environ={"RTP_SQS_QUEUE": "a.fifo"})
    assert (loaded.redis.timeout_seconds, loaded.sqs.queue) == (1, "a.fifo")


def test_a_section_with_every_line_commented_out_says_nothing(load: Load) -> None:
    assert load(f"{TVL}redis:\n  # url: redis://cache\n").redis.cache_ttl_seconds == 3600


@pytest.mark.parametrize("section", ["kinds", "routes"])
def test_a_list_with_every_line_commented_out_is_empty(load: Load, section: str) -> None:
    assert len(getattr(load(f"{TVL}{section}:\n  # nothing yet\n"), section)) == 0


@pytest.mark.parametrize("written", ["0.1", "1e-3", "1.0e-3", "0.30000000000000001", "5", "'0.1'", "1_000.5"])
def test_a_decimal_reaches_rtp_digit_for_digit(load: Load, written: str) -> None:
    watch = load(with_tvl(f"min_change: {written}")).watches["tvl"]
    assert str(getattr(watch, "min_change")) == str(Decimal(written.strip("'")))  # noqa: B009


def test_a_percent_sign_may_be_written(load: Load) -> None:
    assert getattr(load(with_tvl("percent: 0.5%")).watches["tvl"], "percent") == Decimal("0.5")  # noqa: B009


def test_an_inexact_number_is_a_number(load: Load) -> None:
    assert load(with_tvl("confidence: 0.5")).watches["tvl"].confidence == 0.5


def test_a_constant_can_stand_for_a_column(load: Load) -> None:
    loaded = load(changed("protocol: protocol", "protocol: {const: aave}"))
    assert loaded.watches["tvl"].columns.entity == Constant(const="aave")


def test_anchors_and_merge_keys_can_be_used(load: Load) -> None:
    loaded = load(
        TVL.replace("tvl:\n    kind", "tvl: &base\n    kind") + "  more:\n    <<: *base\n    table: more_tvl\n"
    )
    assert [watch.table for watch in loaded.watches.values()] == ["tvl", "more_tvl"]


def test_a_key_is_the_word_that_was_written(load: Load) -> None:
    assert list(load(changed("  tvl:", "  on:")).watches) == ["on"]


def test_a_byte_order_mark_is_no_part_of_the_text(load: Load) -> None:
    assert load(b"\xef\xbb\xbf" + TVL.encode()).watches


# What is wrong in the file: line, place, reason, remedy.

WRONG = {
    "negative": (with_tvl("percent: -1"), "my.yaml:6: watches.tvl.percent: must be 0 or more, not -1"),
    "too long": (
        with_tvl("max_future: 9999d"),
        "my.yaml:6: watches.tvl.max_future: must be 3650d or less, not 9999d",
    ),
    "too short": (
        TVL + "redis: {cache: {ttl: {tvl: 10ms}}}\n",
        f"my.yaml:{TVL.count(chr(10)) + 1}: redis.cache.ttl.tvl: must be 1s or more, not 10ms",
    ),
    "too large": (with_tvl("confidence: 2"), "my.yaml:6: watches.tvl.confidence: must be 1 or less, not 2"),
    "no number": (with_tvl("percent: much"), "my.yaml:6: watches.tvl.percent: must be a number, not much"),
    "NaN": (with_tvl("percent: .nan"), "my.yaml:6: watches.tvl.percent: must be a finite number, not .nan"),
    "infinite": (
        with_tvl("confidence: .inf"),
        "my.yaml:6: watches.tvl.confidence: must be a finite number, not .inf",
    ),
    "huge": (
        TVL + "redis: {batch_size: 1.0e+999999999}",
        "my.yaml:6: redis.batch_size: must be a smaller number, not 1.0e+999999999",
    ),
    "time zone misspelt": (
        with_tvl("timezone: Europe/Berln"),
        "my.yaml:6: watches.tvl.timezone: must be the name of a time zone, like UTC or Europe/Berlin "
        "(did you mean Europe/Berlin?), not Europe/Berln",
    ),
    "time zone of the machine": (
        with_tvl("timezone: localtime"),
        "my.yaml:6: watches.tvl.timezone: must be the name of a time zone that every machine knows, like UTC or "
        "Europe/Berlin, not localtime",
    ),
    "time zone in another letter case": (
        with_tvl("timezone: utc"),
        "my.yaml:6: watches.tvl.timezone: must be the name of a time zone, like UTC or Europe/Berlin "
        "(did you mean UTC?), not utc",
    ),
    "future without a bound in words": (
        with_tvl("max_future: never"),
        "my.yaml:6: watches.tvl.max_future: must be a duration, like 500ms, 30s, 5m, 1h or 1d, or off, not never",
    ),
    "boolean as decimal": (
        with_tvl("percent: yes"),
        "my.yaml:6: watches.tvl.percent: must be a number, not yes",
    ),
    "boolean as float": (
        with_tvl("confidence: on"),
        "my.yaml:6: watches.tvl.confidence: must be a number, not on",
    ),
    "boolean as int": (
        TVL + "redis: {batch_size: true}",
        "my.yaml:6: redis.batch_size: must be a number, not true",
    ),
    "number as boolean": (TVL + "triggers: {rearm: 1}", "my.yaml:6: triggers.rearm: must be true or false, not 1"),
    "text as boolean": (
        with_tvl("emit_first: 'yes'"),
        "my.yaml:6: watches.tvl.emit_first: must be true or false, not yes",
    ),
    "number as boolean of an override": (
        with_tvl("overrides: [{chain: base, emit_first: 0}]"),
        "my.yaml:6: watches.tvl.overrides[0].emit_first: must be true or false, not 0",
    ),
    "number as boolean of a webhook": (
        TVL + "webhook: {receiver: {url: 'https://example.com', allow_plain: 1}}",
        "my.yaml:6: webhook.receiver.allow_plain: must be true or false, not 1",
    ),
    "fraction": (
        TVL + "redis: {batch_size: 1.5}",
        "my.yaml:6: redis.batch_size: must be a whole number, not 1.5",
    ),
    "octal": (
        with_tvl("percent: 010"),
        "my.yaml:6: watches.tvl.percent: 010 is not a plain decimal number; YAML may read it as octal, "
        "hexadecimal, binary or base 60. Rewrite it, or quote it if it is text",
    ),
    "boolean as text": (
        with_tvl("provenance: on"),
        "my.yaml:6: watches.tvl.provenance: must be text, but YAML reads on as true or false. Put it in quotes",
    ),
    "date as text": (
        with_tvl("provenance: 2024-01-01"),
        "my.yaml:6: watches.tvl.provenance: must be text, but YAML reads 2024-01-01 as a date. Put it in quotes",
    ),
    "number as text": (
        with_tvl("provenance: 1.50"),
        "my.yaml:6: watches.tvl.provenance: must be text, but YAML reads 1.50 as a number. Put it in quotes",
    ),
    "nothing": (
        changed("table: tvl", "table:"),
        "my.yaml:4: watches.tvl.table: must be text, but nothing is written. Give it a value or remove the key",
    ),
    "mistyped key": (
        with_tvl("colums: x"),
        "my.yaml:6: watches.tvl.colums: unknown key. Did you mean columns?",
    ),
    "foreign key": (
        TVL + "nonsense: 1",
        "my.yaml:6: nonsense: unknown key. Known here: source, kinds, postgres, redis, sqs, run, log, http, emf, serve,"
        " triggers, watches, dynamodb, routes, notify, webhook",
    ),
    "mistyped key inside columns": (
        changed("value: tvl_usd", "value: tvl_usd, chan: x"),
        "my.yaml:5: watches.tvl.columns.chan: unknown key. Did you mean chain?",
    ),
    "missing key": (changed("    table: tvl\n", ""), "my.yaml:2: watches.tvl.table: is missing. Add it"),
    "missing kind": (
        changed("    kind: tvl\n", ""),
        "my.yaml:2: watches.tvl.kind: is missing. Write tvl, price or protocol",
    ),
    "unknown kind": (
        changed("kind: tvl", "kind: yield"),
        "my.yaml:3: watches.tvl.kind: must be tvl, price or protocol, not yield",
    ),
    "watch that is no mapping": (
        TVL + "  px: 5",
        "my.yaml:6: watches.px: must be a mapping (indented `key: value` lines), not 5",
    ),
    "watch's name": (
        changed("  tvl:", "  TVL:"),
        "my.yaml:2: watches.TVL: must be a name of up to 40 small letters, digits and _ that starts with a letter",
    ),
    "column": (
        changed("protocol: protocol", "protocol: {constant: aave}"),
        "my.yaml:5: watches.tvl.columns.protocol: must be a column's name (1 to 63 bytes) or {const: text}, "
        "not a mapping",
    ),
    "identifier that PostgreSQL would cut": (
        changed("value: tvl_usd", f"value: {'é' * 32}"),
        f"my.yaml:5: watches.tvl.columns.value: must be a name of 1 to 63 bytes, not {'é' * 32}",
    ),
    "control character": (
        with_tvl(r'provenance: "a\0b"'),
        "my.yaml:6: watches.tvl.provenance: must not hold control characters",
    ),
    "table in a database": (
        changed("table: tvl", "table: a.b.c"),
        "my.yaml:4: watches.tvl.table: must be `table` or `schema.table`, each of 1 to 63 bytes, not a.b.c",
    ),
    "same table twice": (
        TVL + "  more: {kind: tvl, table: public.tvl, columns: {protocol: p, value: v}}",
        "my.yaml:1: watches: tvl and more both watch the same table for tvl. Keep one of them",
    ),
    "list entry": (
        TVL + "  p: {kind: protocol, table: p, columns: {protocol: p}, watched: [a, 5]}",
        "my.yaml:6: watches.p.watched[1]: must be text, but YAML reads 5 as a number. Put it in quotes",
    ),
    "no list": (
        TVL + "  p: {kind: protocol, table: p, columns: {protocol: p}, watched: name}",
        "my.yaml:6: watches.p.watched: must be a list, e.g. [name, url], not name",
    ),
    "no watches": ("watches: {}", "my.yaml:1: watches: must not be empty"),
    "duplicate key": (
        with_tvl("kind: tvl"),
        "my.yaml:6: watches.tvl.kind: duplicate key, first written on line 3. Keep one of them",
    ),
    "retries that shrink": (
        TVL + "run: {retry_initial_seconds: 20}",
        "my.yaml:6: run: retry_initial_seconds must not be more than retry_max_seconds",
    ),
    "tag": (
        with_tvl("provenance: !!python/object:os.system x"),
        "my.yaml:6: watches.tvl.provenance: has a tag (!name). rtp's settings know none; remove it",
    ),
    "key that is a list": (
        TVL + "? [a]\n: b",
        "my.yaml:6: has a key that is not a word. Every key must be plain text",
    ),
    "merge of no mapping": (
        "<<: 5\n" + TVL,
        "my.yaml:1: << takes the alias of a mapping (<<: *name), or a list of them",
    ),
    "queue's URL": (
        TVL + "sqs: {queue: https://sqs.eu-west-1.amazonaws.com/1/a.fifo}",
        "my.yaml:6: sqs.queue: must be the name (not the URL) of a FIFO queue: up to 75 letters, digits, - and _, "
        "then .fifo, not https://sqs.eu-west-1.amazonaws.com/1/a.fifo",
    ),
    "Redis scheme": (
        TVL + "redis: {url: http://cache}",
        "my.yaml:6: redis.url: must start with redis://, rediss:// or unix://",
    ),
    "Redis host": (
        TVL + "redis: {url: 'redis:///0'}",
        "my.yaml:6: redis.url: names no host, e.g. redis://localhost:6379/0",
    ),
    "Redis database": (
        TVL + "redis: {url: redis://cache/main}",
        "my.yaml:6: redis.url: must end in a database number or nothing after the host, e.g. redis://localhost:6379/0",
    ),
    "Redis socket": (
        TVL + "redis: {url: 'unix://'}",
        "my.yaml:6: redis.url: names no socket, e.g. unix:///run/redis/redis.sock",
    ),
    "endpoint's scheme": (
        TVL + "sqs: {endpoint_url: ftp://host}",
        "my.yaml:6: sqs.endpoint_url: must start with http:// or https://",
    ),
    "endpoint's host": (
        TVL + "sqs: {endpoint_url: 'http://'}",
        "my.yaml:6: sqs.endpoint_url: names no host, e.g. http://localhost:4566",
    ),
    "DSN's option": (
        TVL + "postgres: {dsn: host=db sslmod=require}",
        "my.yaml:6: postgres.dsn: has an unknown option. Did you mean sslmode?",
    ),
    "DSN's port": (
        TVL + "postgres: {dsn: 'postgresql://db:99999/defi'}",
        "my.yaml:6: postgres.dsn: has a port that is not a number between 1 and 65535",
    ),
    "half a password as DSN's host": (
        TVL + "postgres: {dsn: 'postgresql://rtp:se@cret@db/defi'}",
        "my.yaml:6: postgres.dsn: has an @ in its host. In a password write it as %40",
    ),
    "token that could be guessed": (
        TVL + "serve: {token: hunter2}",
        "my.yaml:6: serve.token: must be 16 to 1024 letters, digits and . _ ~ -. `openssl rand -hex 32` makes one",
    ),
    "jwt without a key": (
        TVL + "serve: {jwt: {audience: rtp}}",
        "my.yaml:6: serve.jwt: has no key. Give one of key, key_file and jwks_file",
    ),
    "public key for a shared key's algorithm": (
        TVL + "serve: {jwt: {key_file: key.pem, algorithms: [HS256]}}",
        "my.yaml:6: serve.jwt: has key_file, which HS256 does not use. It takes RS256, RS384, RS512, PS256, PS384,"
        " PS512, ES256, ES384, ES512, EdDSA",
    ),
    "public URL with a path": (
        TVL + "serve: {public_url: 'https://desk.example/rtp'}",
        "my.yaml:6: serve.public_url: must end after the host: rtp serve answers at the root. Give it a host name of"
        " its own",
    ),
    "origin": (
        TVL + "serve: {origins: [desk.example]}",
        "my.yaml:6: serve.origins[0]: must start with http:// or https://",
    ),
    "proxy by its name": (
        TVL + "serve: {trusted_proxies: [proxy.example]}",
        "my.yaml:6: serve.trusted_proxies[0]: must be an IP address or a network, e.g. 10.0.0.0/8, not proxy.example",
    ),
    "empty DSN": (TVL + "postgres: {dsn: ''}", "my.yaml:6: postgres.dsn: must not be empty"),
}


@pytest.mark.parametrize(("content", "line"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_one_line_that_says_where_and_what(complaints: Complaints, content: str, line: str) -> None:
    assert complaints(content) == [line]


def test_every_mistake_is_told_in_the_order_of_lines(complaints: Complaints) -> None:
    lines = complaints(with_tvl("percent: -1\n    colums: x\n    kind: tvl\nredis: 5\n"))
    assert [line.split(":")[1] for line in lines] == ["6", "7", "8", "9"]


def test_a_mistake_in_a_merged_mapping_is_told_where_it_is_written(complaints: Complaints) -> None:
    content = TVL.replace("tvl:\n    kind", "tvl: &base\n    confidence: 2\n    kind")
    lines = complaints(content + "  more:\n    <<: *base\n    table: more_tvl\n")
    assert [line.split(": must")[0] for line in lines] == [
        "my.yaml:3: watches.tvl.confidence",
        "my.yaml:3: watches.more.confidence",
    ]


def test_a_file_of_another_kind_does_not_flood_the_terminal(complaints: Complaints) -> None:
    lines = complaints(TVL + "".join(f"key{number}: x\n" for number in range(150)))
    assert (len(lines), lines[-1]) == (101, "and 50 more problems")


# What is no YAML, or no file.

UNREADABLE = {
    "tab": ("watches:\n\ttvl: 1", "my.yaml:2:1: a tab where YAML takes only spaces. Indent with spaces"),
    "second colon": (
        "source: a: b",
        "my.yaml:1:10: a colon out of place. Check the indentation; quote a value that holds `: `",
    ),
    "no colon": ("a: 1\nb", "my.yaml:2:2: a line without a colon where a `key: value` should be"),
    "indentation": (
        "a:\n    b: 1\n  c: 2",
        "my.yaml:3:3: does not line up with the lines before it. Check the indentation",
    ),
    "open quote": ("a: 'x", "my.yaml:1:6: a quote that is never closed"),
    "open bracket": ("a: [1", "my.yaml:1:6: a [ or { that is not closed, or a comma missing inside one"),
    "question mark": ("a: {b: usd?}", "my.yaml:1:11: a question mark inside a [ or {. Put the value in quotes"),
    "backslash": (
        r'a: "\q"',
        "my.yaml:1:6: a backslash in double quotes that YAML does not know. Use single quotes",
    ),
    "at sign": ("a: @x", "my.yaml:1:4: a character that cannot start a value. Put the value in quotes"),
    "alias": (
        "a: *x",
        "my.yaml:1:4: an alias (*name) without an anchor (&name) before it. Quote a value that starts with *",
    ),
    "two documents": (
        "a: 1\n---\nb: 1",
        "my.yaml:2:1: a second document (---). rtp reads one document per file",
    ),
    "control character": ("a: 1\nb: \x01", "my.yaml:2:4: a control character. Remove it"),
    "escape out of range": (
        r'a: "\UFFFFFFFF"',
        "my.yaml: not YAML; an escape or a directive is out of range",
    ),
    "deep": ("[" * 5000, "my.yaml:1:21: nested more than 20 levels deep. rtp's settings need five"),
    "chain of aliases": (
        "? [&a0 {}, " + ", ".join(f"&a{i} {{x: *a{i - 1}}}" for i in range(1, 1500)) + "]\n: x\ny: *a1499",
        "my.yaml: an alias leads through too many others. Write the values out",
    ),
    "empty": ("", "my.yaml:1: the file is empty. Copy rtp's default.yaml and change it"),
    "only comments": ("# nothing", "my.yaml:1: the file is empty. Copy rtp's default.yaml and change it"),
    "list": ("- a", "my.yaml:1: the file must hold `key: value` lines"),
    "not UTF-8": (b"a: 1\nb: \xe9", "my.yaml:2: not UTF-8 text. Save the file as UTF-8"),
    "large": (b"#" * 1_000_001, "my.yaml: more than 1 MB, which no settings file needs"),
}


@pytest.mark.parametrize(("content", "line"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_said_in_plain_words(complaints: Complaints, content: str | bytes, line: str) -> None:
    assert complaints(content) == [line]


def test_a_bomb_of_aliases_does_no_harm(complaints: Complaints) -> None:
    lists = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30))
    assert len(complaints(f"a0: &a0 [x]\n{lists}{TVL}")) == 30


def test_a_bomb_of_merges_does_no_harm(complaints: Complaints) -> None:
    merges = "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 30))
    assert len(complaints(f"a0: &a0 {{x: y}}\n{merges}{TVL}")) == 30


def test_a_mapping_that_holds_itself_does_no_harm(complaints: Complaints) -> None:
    assert complaints("watches: &a\n  x: *a") == ["my.yaml:2: watches.x.kind: is missing. Write tvl, price or protocol"]


def refusal_of(path: Path) -> str:
    with pytest.raises(SettingsError) as refusal:
        load_settings(path, environ={}, options={})
    return refusal.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    assert refusal_of(path) == f"{path}: there is no such file. Check the path"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert refusal_of(tmp_path) == f"{tmp_path}: this is a directory. Name a YAML file in it"


def test_a_file_that_rtp_may_not_read_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # a mode would not keep root out
    assert refusal_of(file) == f"{file}: rtp may not read this file. Check its owner and mode"


def test_a_path_that_goes_through_a_file_is_no_path(file: Path) -> None:
    file.write_text(TVL)
    assert refusal_of(file / "x").endswith("cannot be read (Not a directory). Check the path")


def test_a_file_without_end_is_refused() -> None:
    assert refusal_of(Path("/dev/zero")) == "/dev/zero: more than 1 MB, which no settings file needs"


# What is wrong elsewhere.


def test_a_mistake_in_the_environment_names_the_variable(complaints: Complaints) -> None:
    assert complaints(environ={"AWS_REGION": "EU"}) == [
        "environment AWS_REGION: must be an AWS region, e.g. eu-west-1, not EU"
    ]


def test_a_mistake_in_an_option_names_the_option(complaints: Complaints) -> None:
    assert complaints(options={"run.poll_interval_ms": "fast"}) == [
        "option --run-poll-interval-ms: must be a number, not fast"
    ]


def test_a_variable_of_spaces_is_neither_set_nor_unset(complaints: Complaints) -> None:
    assert complaints(environ={"RTP_REDIS_URL": "  "}) == [
        "environment RTP_REDIS_URL: is blank. Give it a value or leave it out"
    ]


def test_an_empty_option_is_a_mistake(complaints: Complaints) -> None:
    assert complaints(options={"sqs.queue": ""}) == ["option --sqs-queue: is blank. Give it a value or leave it out"]


def test_mistakes_in_the_file_come_before_those_elsewhere(complaints: Complaints) -> None:
    lines = complaints(with_tvl("percent: -1"), environ={"AWS_REGION": "EU"}, options={"redis.url": "x"})
    assert [line.split(":")[0] for line in lines] == [
        "my.yaml",
        "environment AWS_REGION",
        "option --redis-url",
    ]


def test_a_section_that_is_no_mapping_is_the_files_mistake(complaints: Complaints) -> None:
    assert complaints(f"{TVL}sqs: 5", environ={"RTP_SQS_QUEUE": "a.fifo"}) == [
        "my.yaml:6: sqs: must be a mapping (indented `key: value` lines), not 5"
    ]


# Secrets.

SECRETS = {
    "DSN with a bad port": "postgres: {dsn: 'postgresql://rtp:hunter2@db:99999/defi'}",
    "DSN with a bad option": "postgres: {dsn: 'host=db password=x hunter2=y'}",
    "DSN cut by a space": "postgres: {dsn: 'host=db password=my hunter2'}",
    "DSN with a bad escape": "postgres: {dsn: 'postgresql://rtp:hunter2%zz@db/defi'}",
    "DSN as a list": "postgres: {dsn: [hunter2]}",
    "Redis URL with a raw #": "redis: {url: 'redis://:hunter2#x@cache'}",
    "Redis URL without a host": "redis: {url: 'redis://:hunter2'}",
    "endpoint with a password": "sqs: {endpoint_url: 'http://key:hunter2@host'}",
    "DSN in another place": "source: 'postgresql://rtp:hunter2@db/defi'",
    "DSN as a section": "postgres: 'host=db password=hunter2'",
    "DSN as a key": "'postgresql://rtp:hunter2@db/defi': x",
    "DSN as a duplicate key": "'redis://:hunter2@a': x\n'redis://:hunter2@a': x",
    "alias instead of a password": "redis: {url: *hunter2}",
    "quotes that break YAML": "redis: {url: 'a'hunter2'}",
}


@pytest.mark.parametrize("section", SECRETS.values(), ids=SECRETS)
def test_a_complaint_holds_no_secret(complaints: Complaints, section: str) -> None:
    assert not [line for line in complaints(TVL + section) if "hunter2" in line]


def test_settings_can_be_printed_without_their_secrets(load: Load) -> None:
    environ = {"RTP_POSTGRES_DSN": "password=hunter2", "RTP_REDIS_URL": "redis://:hunter2@cache"}
    loaded = load(TVL + f"serve: {{jwt: {{key: {'hunter2' * 6}}}}}", environ | {"RTP_SERVE_TOKEN": "hunter2" * 3})
    assert "hunter2" not in repr(loaded)


# Whatever a file holds.

for_any = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
fragments = st.one_of(
    st.binary(max_size=8),
    st.text(max_size=8).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [
            b"\n",
            b": ",
            b"- ",
            b"\t",
            b"'",
            b'"',
            b"[",
            b"{",
            b"}",
            b"&a ",
            b"*a",
            b"<<: *a",
            b"!!int ",
            b"~",
            b"? ",
        ]
    ),
)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """The default file with a few pieces cut out, moved in, or made up."""
    content = DEFAULT
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 30)))
        source = draw(st.integers(0, len(content)))
        middle = draw(st.one_of(fragments, st.just(content[source : source + 40]), st.just(b"")))
        content = content[:start] + middle + content[end:]
    return content


@for_any
@given(content=mutations())
def test_any_mutation_gives_settings_or_a_settings_error(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        loaded = load_settings(file, environ={}, options={})
    except SettingsError as refusal:
        refusal.message.encode()  # printable
    else:
        assert isinstance(loaded, Settings)


VALUES = """~ | yes | 5 | -1 | 1.5 | .nan | 010 | 2024-01-01 | 1e9 | '' | [] | {} | [a] | {a: b} | {const: x}
 | {const: 1} | tvl | a.b | !!null x | redis://x | "\\0" | host=x"""
values = st.sampled_from([value.strip() for value in VALUES.split("|")])


@for_any
@given(key=st.integers(0, DEFAULT.count(b":") - 1), value=values)
def test_any_value_for_any_key_gives_settings_or_a_settings_error(file: Path, key: int, value: str) -> None:
    lines = DEFAULT.decode().split("\n")
    number = key % len(lines)
    file.write_text("\n".join([*lines[:number], f"{lines[number].split(':')[0]}: {value}", *lines[number + 1 :]]))
    try:
        loaded = load_settings(file, environ={}, options={})
    except SettingsError as refusal:
        refusal.message.encode()
    else:
        assert isinstance(loaded, Settings)


@for_any
@given(value=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_variable_gives_settings_or_a_settings_error(file: Path, value: str) -> None:
    file.write_text(TVL)
    names = ["RTP_POSTGRES_DSN", "RTP_REDIS_URL", "RTP_SQS_ENDPOINT_URL", "RTP_SQS_QUEUE", "AWS_REGION"]
    try:
        loaded = load_settings(file, environ=dict.fromkeys(names, value), options={})
    except SettingsError as refusal:
        refusal.message.encode()
    else:
        assert isinstance(loaded, Settings)
