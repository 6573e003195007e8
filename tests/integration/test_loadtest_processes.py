"""The processes of a load test, as whoever started them hears of them."""

from __future__ import annotations

import os
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from core.errors import RtpError
from loadtests.scenarios.processes.child import Child, ProcessPlan
from tests.eventually import eventually

if TYPE_CHECKING:
    from core.settings.models import Settings


def test_one_that_fails_before_the_start_says_why(settings: Settings) -> None:
    lost = settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"queue": "lost.fifo"})})
    consumer = Child("consumer", ProcessPlan("steady", 1000, 1, lost), os.environ, SimpleQueue())
    try:
        with pytest.raises(RtpError, match=r"the load test's consumer ended with exit code 1: QueueDoesNotExist: "):
            eventually(consumer.check)
    finally:
        consumer.end()
