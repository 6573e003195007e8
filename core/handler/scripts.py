"""The Lua scripts of a stream source. Each is one atomic step, behind the functions that it shares with others."""

from __future__ import annotations

from importlib.resources import files

from core.sinks.scripts import DELIVER


def _text(*names: str) -> str:
    here = files("core.handler")
    return "\n".join(here.joinpath(f"{name}.lua").read_text(encoding="utf-8") for name in names)


# The Redis sink's script becomes a function of this one, so that both are one step.
COMMIT = f"local function deliver(KEYS, ARGV)\n{DELIVER}\nend\n" + _text("draw", "refresh", "places", "commit")
RESERVE = _text("draw", "reserve")
ACKNOWLEDGE = _text("places", "acknowledge")
CARRY_OVER = _text("places", "carry_over")
