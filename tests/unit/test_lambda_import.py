"""A Lambda's cold start: it imports no more than it needs."""

from __future__ import annotations

import json
import subprocess
import sys

SLOW_AND_NOT_NEEDED = {
    "awscrt",
    "boto3",
    "jinja2",
    "opentelemetry",
    "pandas",
    "prometheus_client",
    "psycopg",
    "rich",
    "typer",
}


def test_the_lambda_imports_neither_the_database_nor_the_terminal_nor_the_aws_client() -> None:
    code = "import json, sys, core.handler.lambda_function; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    imported = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert imported & SLOW_AND_NOT_NEEDED == set()
