"""Whether people would be told by the settings, found out without telling them."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.notify.trial.checkup import check_notify
from core.settings.models import Settings
from core.sinks.settings import load_settings

HEAD = """
watches:
  tvl: {kind: tvl, table: t, columns: {protocol: slug, value: tvl}}
notify:
"""


def settings_of(folder: Path, *audiences: str) -> Settings:
    """Those of a file with these audiences."""
    file = folder / "rtp.yaml"
    file.write_text(HEAD + "".join(f"  - {audience}\n" for audience in audiences))
    return load_settings(file, environ={}, options={})


def test_addresses_and_templates_that_can_be_used_are_no_problem(tmp_path: Path) -> None:
    (tmp_path / "desk.md.j2").write_text("{{ alerts[0].entity }}")
    settings = settings_of(
        tmp_path,
        "{name: desk, to: [json://localhost, {env: DESK}], template: desk.md.j2}",
        "{name: boss, to: json://localhost, template: html}",
    )
    found = check_notify(settings, {"DESK": "tgram://123456789:abcdefg_hijklmnop/12345"})
    assert (found.problems, found.warnings) == ([], [])


@pytest.mark.parametrize(
    ("audience", "problem"),
    [
        ("{name: desk, to: [json://localhost, jsom://localhost]}", "notify[0].to[1]: Apprise knows no service jsom://"),
        ("{name: desk, to: json://localhost, template: no.md.j2}", "notify[0].template: no.md.j2 cannot be read"),
        (
            "{name: desk, to: json://localhost, template: x.md.j2}",
            "notify[0].template: x.md.j2:2: Alert has no",
        ),
    ],
)
def test_what_nobody_would_be_told_by_is_a_problem(tmp_path: Path, audience: str, problem: str) -> None:
    (tmp_path / "x.md.j2").write_text("{% if count > 1 %}\n{{ alerts[0].nosuch }}{% endif %}")
    found = check_notify(settings_of(tmp_path, audience), {})
    assert len(found.problems) == 1
    assert found.problems[0].startswith(problem)


def test_an_address_that_is_not_known_here_is_a_warning(tmp_path: Path) -> None:
    found = check_notify(settings_of(tmp_path, "{name: desk, to: {env: DESK}}"), {})
    assert (found.problems, found.warnings) == ([], ["desk/1: its address is in DESK, which is not set here"])


ESCALATING = ("{name: desk, to: json://a, unless_acknowledged: 10m}", "{name: boss, to: json://a}")


@pytest.mark.parametrize(
    ("key", "problems", "warnings"),
    [
        ("", [], []),
        ("k" * 32, [], ["RTP_NOTIFY_KEY is set, and serve.public_url is not: messages have no link"]),
        ("short", ["environment RTP_NOTIFY_KEY: must be 32 bytes or more, or it could be guessed"], []),
    ],
)
def test_a_key_that_signs_no_link_is_told_of(
    tmp_path: Path, key: str, problems: list[str], warnings: list[str]
) -> None:
    found = check_notify(settings_of(tmp_path, *ESCALATING), {"RTP_NOTIFY_KEY": key})
    for said, expected in ((found.problems, problems), (found.warnings, warnings)):
        assert [line.startswith(start) for line, start in zip(said, expected, strict=True)] == [True] * len(expected)
