"""`rtp` inside the test's own process, for what ends by itself: as strict as a process, and 50 times faster."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from cli.app import main

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: object
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


class Command:
    """Runs `rtp`, with no RTP_ variables but those given here."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Done:
        """Run it to its end."""
        self._capsys.readouterr()
        given = dict.fromkeys(("RTP_POSTGRES_DSN", "RTP_REDIS_URL", "RTP_SQS_ENDPOINT_URL", "RTP_SQS_QUEUE"), "")
        for name, value in (given | {"COLUMNS": "200"} | dict(environ or {})).items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.setattr(sys, "argv", ["rtp", *arguments])
        with pytest.raises(SystemExit) as ending:
            main()
        captured = self._capsys.readouterr()
        return Done(ending.value.code or 0, captured.out, captured.err)
