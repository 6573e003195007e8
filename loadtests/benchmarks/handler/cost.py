"""What the handler costs: batches, and imports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from core.handler.baselines import Baselines
from core.handler.batch import BatchProcessor
from loadtests.benchmarks.percentiles import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.settings.models import Settings

_MODULE = "core.handler.lambda_function"
_UNCOMPILED = ("-B", "-X", "pycache_prefix=/nonexistent")


def batch_cost(settings: Settings, records: Sequence[dict[str, Any]]) -> str:
    """Time batches of 100, without SQS."""
    processor = BatchProcessor(settings, Baselines(settings.redis, url=settings.redis.url or ""), None, bury=print)
    times, cpu = list[float](), time.process_time()
    for start in range(0, len(records), 100):
        begun = time.perf_counter()
        processor.process(records[start : start + 100])
        times.append(time.perf_counter() - begun)
    each = (time.process_time() - cpu) / len(records) * 1e3
    p99 = percentile(sorted(times), 0.99) or 0
    return (
        f"batch of 100: median {median(times) * 1e3:.1f} ms, {median(times) * 10:.3f} ms a record, "
        f"p99 {p99 * 1e3:.1f} ms; {each:.3f} ms of CPU a record"
    )


def import_cost() -> str:
    """What the Lambda's imports take of the CPU, beside boto3's: it has that to do, too, before its first batch."""
    return (
        f"import of the Lambda: {_import_ms(_MODULE):.0f} ms of CPU, "
        f"without bytecode {_import_ms(_MODULE, *_UNCOMPILED):.0f} ms; boto3: {_import_ms('boto3'):.0f} ms"
    )


def _import_ms(module: str, *options: str) -> float:
    """In a process of its own, the best of nine: other processes only add to it. `options` are the interpreter's."""
    code = f"import time; t = time.process_time(); import {module}; print(time.process_time() - t)"
    command = [sys.executable, *options, "-c", code]
    environ = {**os.environ, "PYDANTIC_DISABLE_PLUGINS": "__all__"}  # as the function's
    runs = [subprocess.run(command, capture_output=True, text=True, check=True, env=environ) for _ in range(9)]
    return min(float(run.stdout) for run in runs) * 1e3
