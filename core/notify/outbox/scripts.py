"""The Lua scripts of the outbox. Each is one atomic step."""

from __future__ import annotations

from importlib.resources import files


def _text(name: str) -> str:
    return files("core.notify.outbox").joinpath(f"{name}.lua").read_text(encoding="utf-8")


PUT = _text("put")
SHARE = _text("share")
LET_GO = _text("let_go")
BEGIN = _text("begin")
SETTLE = _text("settle")
REVIVE = _text("revive")
