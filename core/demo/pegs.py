"""The pegs of the demo's stablecoins: without them a demo would have none to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.demo.catalogue import tokens

if TYPE_CHECKING:
    from core.settings.models import Settings
    from core.settings.watches import Watch

_TABLE = ("public", "prices")


def with_demo_pegs(settings: Settings) -> Settings:
    """The settings, with a peg for each stablecoin where the watch of the demo's prices has no overrides of its own."""
    return settings.model_copy(update={"watches": {name: _pegged(one) for name, one in settings.watches.items()}})


def _pegged(watch: Watch) -> Watch:
    if not watch.has_value or not watch.about.has_peg or watch.table_parts != _TABLE or watch.overrides:
        return watch
    pegs = [{watch.about.entity: token.name, "peg": 1} for token in tokens() if token.stable]
    written = watch.model_dump(by_alias=True, exclude_unset=True)
    return type(watch).model_validate(written | {"overrides": pegs})
