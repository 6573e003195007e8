"""Making the Lambda's package and the container's image small: what is never loaded there goes.

`make package` and the Dockerfile run this file by its path, as the CDK that belongs to the package around it need not
be installed.
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
_NEVER_LOADED = ("boto3/data", "boto3/examples", "pydantic/v1", "redis/multidb")
_NOT_BY_THE_FUNCTION = (
    # Of rtp: the rooms that only the command line uses.
    *(
        f"core/{name}"
        for name in ("demo", "stack", "arming", "gateway", "inspection", "monitor", "processor", "judging")
    ),
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
_NOT_BY_COMMANDS = ("aws_lambda_powertools", "loadtests")
# Nothing shows source code, or speaks to whoever writes Apprise's addresses by hand.
_NEVER_READ = (
    *("*.pyi", "*.pxd", "*.pyx"),
    *("pygments/lexers/[a-z]*.py", "pygments/lexers/_*_builtins.py", "apprise/i18n/*/LC_MESSAGES/*"),
)


def trim(package: Path, *, for_commands: bool = False) -> None:
    """Remove from a package what the function, or else the command line, never loads, if it is there."""
    unused = (*_NEVER_LOADED, *(_NOT_BY_COMMANDS if for_commands else _NOT_BY_THE_FUNCTION))
    for path in (*_services_unused(package), *(package / name for name in unused)):
        shutil.rmtree(path, ignore_errors=True)
    for pattern in _NEVER_READ:
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
    trim(Path(sys.argv[-1]), for_commands="--for-commands" in sys.argv)
