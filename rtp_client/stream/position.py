"""Where a reader is in the stream: what it gives to go on there after its connection, or its process, has ended.

The order of the stream is the order of delivery, not of sequences, so a position is an entry of the stream. The log and
the sequence of the entry's event tell whether the entry of that id is still the same one, or another Redis's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from rtp_client.event import SEQUENCE_DIGITS
from rtp_client.stream.entries import BEGINNING, id_order

_TEXT = re.compile(rf"([^-\s]{{0,64}})\.([0-9]{{1,{SEQUENCE_DIGITS}}})\.([0-9]{{1,20}}-[0-9]{{1,20}})")
_OLDEST = "0"
_LARGEST = 2**64 - 1  # of either part of an entry's id


@dataclass(frozen=True, slots=True)
class Position:
    """Behind this entry of the stream; as text `<log>.<sequence>.<entry>`, where a stream source's log is empty.

    The position of a stream without an entry is `.0.0-0`. `0` stands before all that Redis holds: nothing was seen yet,
    so nothing is missing.
    """

    log: str
    sequence: int
    entry: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The position in a text. Raises ValueError."""
        if text == _OLDEST:
            return cls("", 0, _OLDEST)
        found = _TEXT.fullmatch(text)
        if found is None or max(id_order(found[3])) > _LARGEST:
            raise ValueError("a position is the text that came with an event, <log>.<sequence>.<entry>, or 0")
        return cls(found[1], int(found[2]), found[3])

    @property
    def order(self) -> tuple[int, int]:
        """What Redis orders entries by."""
        return (0, 0) if self.is_oldest else id_order(self.entry)

    @property
    def is_oldest(self) -> bool:
        """Whether all that Redis holds comes behind it."""
        return self.entry == _OLDEST

    def __str__(self) -> str:
        return _OLDEST if self.is_oldest else f"{self.log}.{self.sequence}.{self.entry}"


EMPTY_STREAM = Position("", 0, BEGINNING)
OLDEST = Position("", 0, _OLDEST)
