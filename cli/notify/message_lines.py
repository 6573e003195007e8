"""What `rtp notify` shows of each message: a line for people, or a JSON document."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from cli.event_line import event_line, printable
from cli.output import out, print_json
from core.notify.answer import Accepted, Declined, Later
from core.problem import counted
from rtp_client.event import Severity, format_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.kinds import Kinds
    from core.notify.alert import Alert
    from core.notify.outcome import MessageOutcome

_STYLES = {"told": "green", "later": "yellow", "refused": "red", "given up": "red"}


class MessageLines:
    """Shows what came of messages, and counts it. For threads."""

    def __init__(self, kinds: Kinds, *, as_json: bool) -> None:
        self._kinds = kinds
        self._as_json = as_json
        self.counts: Counter[str] = Counter()

    @property
    def done(self) -> int:
        """How many messages came to an end: those that wait for another try have not."""
        return self.counts.total() - self.counts["later"] - self.counts["later messages"]

    def show(self, outcome: MessageOutcome) -> None:
        """A service has answered, or has not."""
        word = _word(outcome)
        self.counts[f"{word} messages"] += 1
        self.counts[word] += len(outcome.alerts)
        if self._as_json:
            print_json(_document(outcome, word))
        elif word != "later":  # the first failure in a row is told on standard error
            out.print(self._line(outcome, word), soft_wrap=True)

    def _line(self, outcome: MessageOutcome, word: str) -> Text:
        at = datetime.fromtimestamp(outcome.at).astimezone().strftime("%H:%M:%S")
        about = outcome.alerts if word in ("told", "refused") else outcome.dead
        what = event_line(about[0].event, self._kinds) if len(about) == 1 else Text(_folded(about))
        return Text.assemble((at, "dim"), f"  {printable(outcome.destination)}  ", (word, _STYLES[word]), "  ", what)


def _word(outcome: MessageOutcome) -> str:
    match outcome.answer:
        case Accepted():
            return "told"
        case Declined():
            return "refused"
        case _:
            return "given up" if outcome.dead else "later"


def _folded(alerts: Sequence[Alert]) -> str:
    counts = Counter(alert.event.data.severity for alert in alerts)
    worst = [f"{counts[one]:,} {one}" for one in reversed(Severity) if counts[one]]
    entities = {alert.event.partitionkey for alert in alerts}
    return f"{counted(len(alerts), 'alert')} of {counted(len(entities), 'entity', 'entities')}: {', '.join(worst)}"


def _document(outcome: MessageOutcome, word: str) -> dict[str, Any]:
    detected = [datetime.fromisoformat(alert.event.data.detected_at).timestamp() for alert in outcome.alerts]
    document: dict[str, Any] = {
        "time": format_time(datetime.fromtimestamp(outcome.at, UTC)),
        "destination": outcome.destination,
        "came": word,
        "alerts": len(outcome.alerts),
        "event_ids": [alert.event.id for alert in outcome.alerts],
        "longest_ms": round((outcome.at - min(detected)) * 1000, 1),
    }
    if isinstance(outcome.answer, Later | Declined):
        document |= {"reason": outcome.answer.reason, "given_up": len(outcome.dead)}
    if outcome.retry_at:
        document |= {"retry_at": format_time(datetime.fromtimestamp(outcome.retry_at, UTC))}
    return document
