"""The dead letters of `rtp notify`, beside those of every other origin."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import SinkUnavailable
from core.letters.letter import LetterOrigin
from core.notify.outbox.letters import UntoldLetters
from rtp_client.redact import redact
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings.models import Settings


@contextmanager
def untold_letters(
    settings: Settings, origin: LetterOrigin | None, problems: list[str]
) -> Iterator[UntoldLetters | None]:
    """The box, where the settings name people to tell, and it is asked for; else None.

    Where it does not answer, that is one of the `problems`.
    """
    url = settings.redis.url
    if not settings.notify or not url or origin not in (None, LetterOrigin.NOTIFY):
        yield None
        return
    with redis_client(url, client_name="rtp-dlq", timeout_seconds=settings.redis.timeout_seconds) as client:
        box = UntoldLetters(client, redact(url))
        try:
            box.count()
        except SinkUnavailable as error:
            problems.append(f"{error}. What could not be told is left out")
            yield None
            return
        yield box
