"""The mark of the settings of `rtp notify`, by which processes see whether they are set alike."""

from __future__ import annotations

from typing import Any

import pytest

from core.kinds import SHIPPED
from core.notify.mark import mark_of
from core.settings.notify import audience_model


def mark(**keys: Any) -> str:
    document = {"name": "desk", "to": "json://127.0.0.1:1/s3cret", "match": {"severity": "warning"}, **keys}
    return mark_of([audience_model(SHIPPED).model_validate(document)])


def test_an_address_is_no_part_of_it() -> None:
    assert mark() == mark(to="json://elsewhere/other")


@pytest.mark.parametrize("keys", [{"name": "boss"}, {"match": {"severity": "critical"}}, {"digest": "30s"}])
def test_who_is_told_of_what_and_how_is(keys: dict[str, Any]) -> None:
    assert mark(**keys) != mark()
