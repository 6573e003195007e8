"""The scripts that write to the cache, each behind the one rule of what may overwrite what (`remember.lua`)."""

from __future__ import annotations

from importlib.resources import files


def _behind_the_rule(name: str) -> str:
    here = files("core.sinks")
    return "\n".join(here.joinpath(part).read_text(encoding="utf-8") for part in ("remember.lua", name))


DELIVER = _behind_the_rule("deliver.lua")
FILL = _behind_the_rule("fill.lua")
DROP = files("core.sinks").joinpath("drop.lua").read_text(encoding="utf-8")
