"""The section `webhook` of the settings: one or several, with secrets that no complaint repeats."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from core.errors import SettingsError
from core.sinks.registry import build_sinks, sink_names
from core.sinks.settings import load_settings
from core.sinks.webhook.settings import Webhook, WebhookSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from core.settings.models import Settings

    Load = Callable[..., Settings]

TVL = "watches: {tvl: {kind: tvl, table: tvl, columns: {protocol: protocol, value: tvl_usd}}}\n"
SIGNING = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a file with this section `webhook` behind its first line."""

    def load(section: str, environ: Mapping[str, str] | None = None) -> Settings:
        file = tmp_path / "my.yaml"
        file.write_text(f"{TVL}{section}\n", encoding="utf-8")
        return load_settings(file, environ=environ or {}, options={})

    return load


def webhooks(settings: Settings) -> dict[str, Webhook]:
    return settings.section("webhook", WebhookSettings).root


def complaint(load: Load, section: str, environ: Mapping[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as refusal:
        load(section, environ)
    return refusal.value.message.rpartition("my.yaml:")[2]


def test_without_the_section_there_is_no_webhook(load: Load) -> None:
    assert sink_names(load("")) == ()


@pytest.mark.parametrize("section", ["webhook:", "webhook: {}"])
def test_an_empty_section_asks_for_none(load: Load, section: str) -> None:
    assert sink_names(load(section)) == ()


def test_one_webhook_needs_no_name(load: Load) -> None:
    assert sink_names(load("webhook: {url: https://hooks.example/rtp}")) == ("webhook",)


def test_several_have_a_name_and_a_sink_each(load: Load) -> None:
    section = "webhook: {desk: {url: https://a.example/}, risk: {url: https://b.example/, match: {severity: critical}}}"
    assert sink_names(load(section)) == ("webhook:desk", "webhook:risk")


def test_the_address_can_come_from_the_environment(load: Load) -> None:
    assert sink_names(load("", {"RTP_WEBHOOK_URL": "https://hooks.example/rtp"})) == ("webhook",)


def test_an_address_in_the_environment_does_not_go_with_named_webhooks(load: Load) -> None:
    with pytest.raises(SettingsError) as refusal:
        load("webhook: {desk: {url: https://a.example/}}", {"RTP_WEBHOOK_URL": "https://hooks.example/s3cret"})
    assert str(refusal.value) == (
        "environment RTP_WEBHOOK_URL: does not go with named webhooks. Give each its url, e.g. {env: NAME}"
    )


@pytest.mark.parametrize(
    "url", ["http://localhost:8080/", "http://127.0.0.1/", "http://[::1]:1/x", "https://a.example"]
)
def test_an_address_that_nobody_can_overhear_is_taken(load: Load, url: str) -> None:
    assert webhooks(load(f"webhook: {{url: '{url}'}}"))[""].url == url


@pytest.mark.parametrize("url", ["http://hooks.example/", "http://10.0.0.1/", "http://127.0.0.1.example/"])
def test_an_address_without_https_is_refused(load: Load, url: str) -> None:
    assert complaint(load, f"webhook:\n  url: {url}") == (
        "3: webhook.url: is not https: anyone on the way could read it. Write https://, or set allow_plain: true"
    )


def test_an_address_without_https_can_be_meant(load: Load) -> None:
    section = "webhook: {url: http://hooks.example/, allow_plain: true}"
    assert webhooks(load(section))[""].url == "http://hooks.example/"


def test_without_the_http_client_it_is_said_what_to_install(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "core.sinks.webhook.sink", None)
    with pytest.raises(SettingsError, match=r'pip install "defi-rtp\[webhook\]"'):
        build_sinks(load("webhook: {url: https://hooks.example/rtp}"))


SECRETIVE = "webhook: {url: {env: HOOK}, secrets: [{env: KEY}], headers: {Authorization: {env: AUTH}}}"
HELD = {"HOOK": "https://a.example/\n", "KEY": SIGNING, "AUTH": "Bearer x"}


def test_secrets_come_from_the_environment(load: Load) -> None:
    found = webhooks(load(SECRETIVE))[""].resolved("webhook", HELD)
    assert (found.url, found.secrets) == ("https://a.example/", (SIGNING,))
    assert found.headers == {"Authorization": "Bearer x"}


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"HOOK": ""}, "webhook.url: names the environment variable HOOK, which is not set. Set it"),
        (
            {"AUTH": ""},
            "webhook.headers.Authorization: names the environment variable AUTH, which is not set. Set it",
        ),
        (
            {"HOOK": "http://hooks.example/s3cret"},
            "webhook.url: what the environment variable HOOK holds is not https: anyone on the way could read it."
            " Write https://, or set allow_plain: true",
        ),
        (
            {"HOOK": "https://u:s3cret@hooks.example/"},
            "webhook.url: what the environment variable HOOK holds has a user, and there is a header Authorization."
            " Keep one of them",
        ),
        (
            {"KEY": "s3cret"},
            "webhook.secrets[0]: what the environment variable KEY holds must be whsec_ and 24 to 64 random bytes in"
            " base64, as `openssl rand -base64 32` makes them",
        ),
    ],
)
def test_what_the_environment_holds_is_checked_when_it_is_needed(
    load: Load, tmp_path: Path, held: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        webhooks(load(SECRETIVE))[""].resolved("webhook", HELD | held)
    assert str(refusal.value) == f"{tmp_path}/my.yaml:2: {said}"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            "webhook: {url: {environ: HOOK}}",
            "webhook.url: must be text, or {env: NAME} for what an environment variable holds, not a mapping",
        ),
        (
            "webhook: {url: https://a.example/, secrets: [s3cret]}",
            "webhook.secrets[0]: must be whsec_ and 24 to 64 random bytes in base64,"
            " as `openssl rand -base64 32` makes them",
        ),
        ("webhook: {url: ftp://a.example/}", "webhook.url: must start with http:// or https://"),
        ("webhook: {url: https:///x}", "webhook.url: names no host, e.g. https://hooks.example/rtp"),
        ("webhook: {secrets: []}", "webhook.url: is missing. Add it"),
        ("webhook: {url: https://a.example/, mod: batched}", "webhook.mod: unknown key. Did you mean mode?"),
        ("webhook: {desk: {url: https://a.example/, mod: x}}", "webhook.desk.mod: unknown key. Did you mean mode?"),
        ("webhook: {url: https://a.example/, concurrency: 0}", "webhook.concurrency: must be 1 or more, not 0"),
        (
            "webhook: {url: https://a.example/, mode: bulk}",
            "webhook.mode: must be structured, binary or batched, not bulk",
        ),
        (
            "webhook: {desk: {url: https://a.example/}, risk: https://b.example/}",
            "webhook.risk: must be a mapping (indented `key: value` lines), not text",
        ),
        (
            "webhook: {desk: {url: https://a.example/}, timeout_seconds: 3}",
            "webhook.timeout_seconds: does not go with named webhooks. Give each its timeout_seconds",
        ),
        (
            "webhook: {url: https://a.example/, heders: {X-Key: k3y}}",
            "webhook.heders: unknown key. Did you mean headers?",
        ),
        ("webhook: https://a.example/", "webhook: must be a mapping (indented `key: value` lines), not text"),
        (
            "webhook: {url: https://a.example/, headers: {Content-Type: x}}",
            "webhook.headers.Content-Type: is a header that rtp sets itself. Leave it out",
        ),
        (
            "webhook: {url: 'https://u:p@a.example/', headers: {authorization: x}}",
            "webhook.url: has a user, and there is a header Authorization. Keep one of them",
        ),
        (
            "webhook: {url: https://a.example/, headers: {X-Key: x, x-key: y}}",
            "webhook.headers: name x-key twice, but for capital letters. Keep one of them",
        ),
        (
            "webhook: {Desk: {url: https://a.example/}}",
            "webhook.Desk: must be a name of up to 40 small letters, digits, - and _ that starts with a letter",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_place(load: Load, section: str, said: str) -> None:
    assert complaint(load, section) == f"2: {said}"


@pytest.mark.parametrize(
    "section",
    [
        "webhook: {url: 'https://hooks.example:99999/s3cret'}",
        "webhook: {url: 'ftp://u:s3cret@hooks.example/'}",
        "webhook: {url: 'http://hooks.example/s3cret'}",
        "webhook: https://hooks.example/s3cret",
        "webhook: {desk: {url: https://a.example/}, risk: https://hooks.example/s3cret}",
        "webhook: {desk: {url: https://a.example/}, url: https://hooks.example/s3cret}",
        "webhook: {url: https://a.example/, secrets: [s3cret]}",
        "webhook: {url: https://a.example/, secrets: s3cret}",
        "webhook: {url: https://a.example/, headers: {Authorization: 's3cret\\tü'}}",
        "webhook: {url: https://a.example/, headers: s3cret}",
        "webhook: {desk: {url: https://a.example/, secrets: [[s3cret]]}}",
    ],
)
def test_no_complaint_repeats_a_secret(load: Load, section: str) -> None:
    assert "s3cret" not in complaint(load, section)
