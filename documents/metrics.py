"""Every metric, of Prometheus and of CloudWatch, from the declarations that the collectors fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import core.handler.figures
import core.monitor.figures
import core.notify.figures
from core.emf import CloudWatchMetric
from core.gateway import probes
from core.monitor import notify_collector, run_families, stream_collector
from core.monitor.families import Family
from documents.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_PROMETHEUS = (
    ("rtp run", run_families, "At `/metrics` of `rtp run --http`."),
    (
        "rtp run --source dynamodb",
        stream_collector,
        "At the same place. What it shares with the one above means the same here: a table's stream is its log, a queue"
        " a sink.",
    ),
    ("rtp serve", probes, "At `/metrics` of the gateway's own address, also within `rtp run --serve`."),
    (
        "rtp notify",
        notify_collector,
        "At `/metrics` of `rtp notify --http`; with `rtp run --notify` among the metrics of that. What waits, fails or"
        " is unacknowledged is read from Redis: every process of one Redis tells the same.",
    ),
)
_CLOUDWATCH = (
    ("of rtp run", core.monitor.figures),
    ("of the Lambda, and of rtp run --source dynamodb", core.handler.figures),
    ("of rtp notify, and of its Lambda", core.notify.figures),
)


def metrics_page() -> str:
    """The page."""
    parts = [
        "# Metrics",
        "Written from the declarations in the code. [Seeing what rtp does](observability.md) says how to get them, and"
        " what probes and log lines there are besides. Beside these, every process tells Prometheus's own `process_*`:"
        " CPU, memory, open files, start time.",
    ]
    for title, module, where in _PROMETHEUS:
        rows = [(f"`{one.name}`", one.type, ", ".join(one.labels), one.meaning) for one in _families(module)]
        parts += [f"## {title}", where, table(("metric", "type", "labels", ""), rows)]
    parts += [
        "## CloudWatch",
        "Lines of the log in CloudWatch's embedded metric format, where `emf.namespace` is set. Counts are of the time"
        " since the last line.",
    ]
    for title, module in _CLOUDWATCH:
        figures = [
            (f"`{one.name}`", one.dimension or "", one.unit, one.meaning)
            for one in vars(module).values()
            if isinstance(one, CloudWatchMetric)
        ]
        parts += [f"### CloudWatch {title}", table(("metric", "dimension", "unit", ""), figures)]
    return "\n\n".join(parts) + "\n"


def _families(module: ModuleType) -> Iterator[Family]:
    return (one for one in vars(module).values() if isinstance(one, Family))
