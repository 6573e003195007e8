"""Making the Lambda's package small: what the function never loads goes.

`make package` runs this file by its path, as the CDK that belongs to the package around it need not be installed.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# botocore describes each of AWS's 400 services in a folder of its own: nine tenths of its size.
_SERVICES = ("dynamodb", "dynamodbstreams", "secretsmanager", "sqs", "sts")
_NEVER_LOADED = (
    # Of rtp: the rooms that only the command line uses.
    *(
        f"core/{name}"
        for name in ("demo", "stack", "arming", "gateway", "inspection", "monitor", "processor", "judging")
    ),
    "boto3/data",
    "boto3/examples",
    "pydantic/v1",
    "redis/multidb",
    "aws_lambda_powertools/event_handler",
    *(
        f"aws_lambda_powertools/utilities/{name}"
        for name in (
            *("auth_alpha", "batch", "circuit_breaker", "data_classes", "data_masking", "feature_flags", "idempotency"),
            *("kafka", "parameters", "parser", "streaming", "validation"),
        )
    ),
    "bin",
)


def trim(package: Path) -> None:
    """Remove from a package what the function never loads. What is not there is no matter."""
    for path in (*_services_unused(package), *(package / name for name in _NEVER_LOADED)):
        shutil.rmtree(path, ignore_errors=True)
    for pattern in ("*.pyi", "*.pxd", "*.pyx"):
        for path in package.rglob(pattern):
            path.unlink()


def _services_unused(package: Path) -> Iterator[Path]:
    data = package / "botocore" / "data"
    if not data.is_dir():
        return
    for path in data.iterdir():
        if path.is_dir() and path.name not in _SERVICES:
            yield path


if __name__ == "__main__":
    trim(Path(sys.argv[1]))
