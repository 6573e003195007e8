"""How soon thousands of WebSocket clients have an event, and what that costs. `make live` runs it.

Everything runs on this machine, on the embedded stack: rtp, the gateway, the writer and the clients are processes of
their own. Each client subscribes to five entities. Times are from the row's own time, set by the update, to the frame
at the client, of every tenth client.
"""

from __future__ import annotations

import argparse
import json

from loadtests.benchmarks.live.crowd import measure_crowd, measure_slow
from loadtests.benchmarks.watched_demo import watched_demo

_ENTITIES = 1000


def main() -> None:
    """Measure and print; `--json` for scripts."""
    parser = argparse.ArgumentParser(description="Measure the gateway on the embedded stack.")
    parser.add_argument("--clients", type=int, default=5000, help="how many clients (default 5000)")
    parser.add_argument("--rate", type=int, default=1000, help="significant updates per second (default 1000)")
    parser.add_argument("--seconds", type=int, default=20, help="how long to measure (default 20)")
    parser.add_argument("--slow", action="store_true", help="measure what one frozen client costs 1,000 others instead")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    with watched_demo(_ENTITIES, with_alerts=False) as demo, demo.rtp() as rtp:
        rtp.wait_until_up()
        if arguments.slow:
            figures = measure_slow(demo, arguments.rate, arguments.seconds)
        else:
            figures = measure_crowd(demo, arguments.clients, arguments.rate, arguments.seconds)
        rtp.check()
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:36} {value}")


if __name__ == "__main__":
    main()
