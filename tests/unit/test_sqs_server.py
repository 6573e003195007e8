"""The step of the embedded SQS endpoint that rtp replaces does what the endpoint's own does."""

from __future__ import annotations

import time
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ministack.services import sqs

from core.stack.sqs_server import forget_expired


@given(st.lists(st.integers(-300, 300).filter(bool), max_size=20))
def test_it_forgets_what_the_endpoints_own_step_forgets(seconds_left: list[int]) -> None:
    now = time.time()
    noted = {f"id-{number}": {"expire": now + left} for number, left in enumerate(sorted(seconds_left))}
    ours: dict[str, Any] = {"dedup_cache": deepcopy(noted)}
    its_own: dict[str, Any] = {"dedup_cache": deepcopy(noted)}
    forget_expired(ours)
    sqs._prune_dedup(its_own)
    assert ours == its_own
