"""Where a settings file's letters are, opened: the table, the sinks to deliver to, and their dead letter queues."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from core.errors import RtpError, SinkUnavailable
from core.letters.letter import Letter, letter_of_message
from core.letters.letter_copy import copied_letter
from core.log.installation import read_installation
from core.log.jumps import former_names
from core.sinks.registry import destinations, some_destinations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mypy_boto3_sqs.type_defs import MessageTypeDef
    from psycopg import Connection

    from core.services.dead_letter_queue import DeadLetterQueue
    from core.settings.models import Settings
    from core.sinks import Sink
    from core.sinks.sink_type import Destination


@dataclass
class DeadLetterStore:
    """What is open. `problems` says, a line each, which queues could not be read.

    `former_logs` are what the log was called before.
    `destinations` are the sinks that letters can be delivered to, by name.
    `behind` has each sink's dead letter queue, `queues` each of these once: two queues may share one, and it is looked
    at for the first of them.
    """

    connection: Connection
    settings: Settings
    log_id: str
    former_logs: Sequence[str] = ()
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    behind: dict[str, DeadLetterQueue] = field(default_factory=dict)
    queues: dict[str, DeadLetterQueue] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _made: dict[str, Sink] = field(default_factory=dict, init=False, repr=False)

    def close(self) -> None:
        """Give the sinks' connections back."""
        for sink in self._made.values():
            sink.close()

    def sink(self, name: str) -> Sink | None:
        """The sink of that name, made for its first letter: others may lack what they need.

        None where the settings do not ask for it. Raises SettingsError where it cannot be made.
        """
        if name not in self._made and (destination := self.destinations.get(name)):
            self._made[name] = destination.make()
        return self._made.get(name)

    def queues_with_copies(self, letters: Iterable[Letter]) -> Iterable[DeadLetterQueue]:
        """The dead letter queues that have copies of some of these."""
        found = (self.behind.get(letter.sink) for letter in letters if letter.queued_at)
        return {queue.url: queue for queue in found if queue is not None}.values()

    def copied_letter(self, message: MessageTypeDef) -> str | None:
        """The id of the letter of this database that a message is a copy of; None where it is none."""
        return copied_letter(message, logs=(self.log_id, *self.former_logs))


def open_store(
    connection: Connection, settings: Settings, *, with_sinks: bool, with_queues: bool = True
) -> DeadLetterStore:
    """Find the settings' sinks and dead letter queues. Raises NotInstalled; SettingsError `with_sinks` without any."""
    store = DeadLetterStore(connection, settings, read_installation(connection), former_names(connection))
    if with_sinks:
        store.destinations = {destination.sink: destination for destination in some_destinations(settings)}
    known: dict[str, DeadLetterQueue] = {}
    away: set[str] = set()
    for destination in destinations(settings) if with_queues else ():
        if destination.find_dead_letter_queue is None or destination.service in away:
            continue
        try:
            queue = destination.find_dead_letter_queue()
        except RtpError as error:
            left_out = "its dead letter queue"
            if isinstance(error, SinkUnavailable) and error.is_service_down:  # nor would it answer for the next one
                away.add(error.service)
                left_out = "its dead letter queues"
            store.problems.append(f"{error}. What may lie in {left_out} is left out")
            continue
        if queue is None:
            continue
        if queue.url not in known:
            store.queues[destination.sink] = known[queue.url] = queue
        store.behind[destination.sink] = known[queue.url]
    return store


def peek(store: DeadLetterStore, sink: str, limit: int) -> list[tuple[Letter, MessageTypeDef]]:
    """The letters that SQS itself put into a sink's dead letter queue; they are visible to others again afterwards."""
    with store.queues[sink].hold() as messages:
        found = ((letter_of_message(one, sink), one) for one in messages if store.copied_letter(one) is None)
        return list(islice(found, limit))
