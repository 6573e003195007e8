"""Settings in which every price has a peg."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from core.settings.peg import Peg

if TYPE_CHECKING:
    from core.settings.models import Settings


def with_pegged_prices(settings: Settings) -> Settings:
    """The same, with a peg of 1 and 50 basis points around it."""
    prices = settings.watches["prices"].model_copy(update={"peg": Peg(deviation_bps=Decimal(50))})
    return settings.model_copy(update={"watches": {**settings.watches, "prices": prices}})
