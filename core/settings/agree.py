"""How many of an entity's sources must say so before anything is reported."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, model_validator

from core.settings.fields import Duration, Percent, SettingsModel, Whole

MOST_SOURCES = 16
"""So many sources of an entity are remembered."""


class Agree(SettingsModel):
    """So many `sources`, each by its newest value of `within`. `agree: 2` is short for `agree: {sources: 2}`.

    Sources that are `disagree_percent` apart for as long as `disagree_for` disagree, which is an event. None: never.
    """

    sources: Whole = Field(default=2, ge=2, le=MOST_SOURCES)
    within: Annotated[Duration, Field(gt=timedelta(0))] = timedelta(minutes=1)
    disagree_for: Duration | None = None
    disagree_percent: Annotated[Percent, Field(gt=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _sources_alone(cls, written: Any) -> Any:
        is_mapping = isinstance(written, (dict, Agree))
        return written if is_mapping else {"sources": written}
