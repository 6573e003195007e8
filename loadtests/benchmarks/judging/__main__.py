"""Measure how `rtp run` judges the samples of a history, on the embedded stack. `make judging` runs it.

Samples per second where they wait, quiet ones and significant ones; how long a neighbour's samples wait meanwhile;
rtp's CPU where quiet ones come at an even pace; and the time from a significant sample's commit to its event. Redis is
the only sink, and gets the events meanwhile.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from loadtests.benchmarks.judging.drain import judged_beside_events, judged_per_second
from loadtests.benchmarks.judging.fairness import neighbours_latency
from loadtests.benchmarks.judging.pace import cpu_of_quiet_samples, detection_latency
from loadtests.benchmarks.judging.watched_history import watched_history


def main() -> None:
    """Measure and print; `--json` for scripts."""
    parser = argparse.ArgumentParser(prog="make judging", description="Measure how samples of a history are judged.")
    parser.add_argument("--samples", type=int, default=100_000, help="that wait, of each kind (default 100000)")
    parser.add_argument("--rate", type=int, default=1000, help="of single samples, per second (default 1000)")
    parser.add_argument("--seconds", type=int, default=20, help="of single samples (default 20)")
    parser.add_argument("--beside", type=int, default=0, metavar="RATE", help="deliver so many events/s meanwhile")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    with watched_history() as history:
        for kind in ("quiet", "significant"):
            _say(f"{kind} samples that wait")
            figures[f"{kind}_judged_per_second"] = judged_per_second(history, kind, arguments.samples)
            if arguments.beside:
                _say(f"{kind} samples that wait, beside {arguments.beside:,} events/s")
                beside = judged_beside_events(history, kind, arguments.samples, arguments.beside)
                figures |= {f"{kind}_beside_{name}": value for name, value in beside.items()}
        _say("a neighbour's samples meanwhile")
        figures |= neighbours_latency(history, arguments.samples)
        _say(f"{arguments.rate:,} quiet samples/s")
        figures |= cpu_of_quiet_samples(history, arguments.rate, arguments.seconds)
        _say(f"{arguments.rate:,} significant samples/s")
        figures |= detection_latency(history, arguments.rate, arguments.seconds)
    if arguments.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name:<44} {value:>12,}" for name, value in figures.items()))


def _say(step: str) -> None:
    print(f"measuring {step} ...", file=sys.stderr)


if __name__ == "__main__":
    main()
