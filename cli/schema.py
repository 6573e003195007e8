"""`rtp schema`: the JSON Schema of the event."""

from __future__ import annotations

import json
import sys

from rtp_client.event import event_schema


def schema() -> None:
    """Print the JSON Schema of the events that rtp publishes.

    Example: [bold]rtp schema > event.schema.json[/]
    """
    sys.stdout.write(json.dumps(event_schema(), indent=2, sort_keys=True) + "\n")
