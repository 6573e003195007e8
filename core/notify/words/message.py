"""A message as a service gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.notify.words.manner import Format
    from rtp_client.event import Severity


@dataclass(frozen=True)
class Message:
    """The title is plain text, and empty where the service has none: the body's first line says it then.

    A final body is in the service's own markup, which Apprise need not translate.
    """

    title: str
    body: str
    format: Format
    severity: Severity
    is_final: bool = False
