"""How good is the cache: hit ratio, speed beside bare Redis, and how old what readers see is. `make cache` runs it.

Everything runs on this machine, on the embedded stack: rtp, the writer and the readers are processes of their own.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from loadtests.benchmarks.cache.load import TTL_SECONDS, measure_load
from loadtests.benchmarks.cache.quiet import measure_quiet
from loadtests.benchmarks.cache.speed import measure_speed
from loadtests.benchmarks.watched_demo import watched_demo

_ENTITIES = 10_000
_QUIET = 2000


def main() -> None:
    """Measure and print; `--json` for scripts."""
    parser = argparse.ArgumentParser(description="Measure the cache on the embedded stack.")
    parser.add_argument("--seconds", type=int, default=30, help="how long to read while events flow (default 30)")
    parser.add_argument("--quiet", action="store_true", help="read quiet entities of a DynamoDB table instead")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    figures = measure_quiet(_QUIET, arguments.seconds) if arguments.quiet else _measure(arguments.seconds)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:36} {value}")


def _measure(seconds: int) -> dict[str, Any]:
    with watched_demo(_ENTITIES, with_alerts=False) as demo:
        cache = demo.settings.redis.model_copy(update={"cache_ttl_seconds": TTL_SECONDS})
        settings = demo.settings.model_copy(update={"redis": cache})
        with demo.rtp(settings) as rtp:
            figures = measure_load(settings, _ENTITIES, seconds)
            figures |= measure_speed(settings, _ENTITIES)
            rtp.check()
    return figures


if __name__ == "__main__":
    main()
