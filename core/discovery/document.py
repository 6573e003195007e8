"""Proposals as settings: as a document for rtp's models, and as a file for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from core.discovery.proposal import WatchProposal

_WIDE = 100_000
_FIRST = ("kind", "table", "shape", "percent", "cooldown")
_LAST = ("columns", "overrides")


def document_of(proposals: Iterable[WatchProposal]) -> dict[str, Any]:
    """The settings' own kinds and watches."""
    watches = list(proposals)
    kinds = {one.watch["kind"]: dict(one.kind) for one in watches if one.kind is not None}
    document: dict[str, Any] = {"kinds": kinds} if kinds else {}
    return document | {"watches": {one.name: _ordered(one) for one in watches}}


def _ordered(one: WatchProposal) -> dict[str, Any]:
    middle = [key for key in one.watch if key not in (*_FIRST, *_LAST)]
    return {key: one.watch[key] for key in (*_FIRST, *middle, *_LAST) if key in one.watch}


def settings_text(proposals: Iterable[WatchProposal], database: str) -> str:
    """A settings file with remarks: every watch with the reason for it, and what else could be said."""
    watches = list(proposals)
    document = document_of(watches)
    lines = [
        f"# rtp's settings for database {_plain(database)}, as `rtp init` proposed them.",
        "# configs/default.yaml has all keys, docs/reference/detection.md says what each rule means.",
        "# Addresses come from the environment: RTP_POSTGRES_DSN, RTP_REDIS_URL; so no password stands here.",
        "",
        "# sqs: {queue: rtp-alerts.fifo}   # every event as an alert, in order; needs defi-rtp[aws]",
        "",
    ]
    if "kinds" in document:
        lines += ["kinds:", *(f"  {_flow(name)}: {_flow(kind)}" for name, kind in document["kinds"].items()), ""]
    lines.append("watches:")
    for one in watches:
        lines += [*_watch_lines(one, document["watches"][one.name]), ""]
    return "\n".join(lines)


def _watch_lines(one: WatchProposal, watch: dict[str, Any]) -> Iterator[str]:
    yield f"  {_flow(one.name)}:"
    for remark in (one.line, *one.notes):
        yield f"    # {_plain(remark)}"
    for key, value in watch.items():
        if isinstance(value, dict) and key == "columns":
            yield f"    {key}:"
            yield from (f"      {_flow(role)}: {_flow(column)}" for role, column in value.items())
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"    {key}:"
            yield from (f"      - {_flow(each)}" for each in value)
        else:
            remark = f"   # {_plain(one.remarks[key])}" if key in one.remarks else ""
            yield f"    {key}: {_flow(value)}{remark}"
    if "cooldown" not in watch and one.value is not None:
        yield "    # cooldown: 15m   # at most one deviation in this time"


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=_WIDE, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _plain(text: str) -> str:
    """A remark on one line, whatever a name in it holds."""
    return "".join(character if character.isprintable() else "�" for character in text)
