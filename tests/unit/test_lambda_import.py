"""A Lambda's cold start: it imports, and its package holds, no more than it needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from tests.rtp_process import ROOT

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


def packages(name: str) -> dict[str, str]:
    lines = (ROOT / f"requirements-{name}.lock").read_text(encoding="utf-8").split()
    return dict(line.split("==") for line in lines)


def test_the_package_is_the_services_packages_without_those_that_rtp_run_alone_needs() -> None:
    service, function = packages("service"), packages("lambda")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (left_out,) = re.findall(r"^NOT_IN_THE_LAMBDA = (.*)$", makefile, re.M)
    assert function == {name: version for name, version in service.items() if name not in left_out.split()}
