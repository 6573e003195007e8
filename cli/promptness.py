"""What keeps a process of several threads and many objects from pausing."""

from __future__ import annotations

import gc
import sys

# A batch is some thousand objects, a client of the gateway some hundred, free again or there for long before the next
# look: looking among them for cycles finds next to none.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000
# The GIL changes hands at least this often: a batch for Redis must not wait 5 ms, the default, behind one for SQS, nor
# an event for clients behind a question of REST's.
_SWITCH_INTERVAL_SECONDS = 0.0005


def be_prompt() -> None:
    """For the whole process, from now on."""
    sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
    gc.freeze()  # what is there by now stays
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
