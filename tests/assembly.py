"""The CDK app, synthesised as `cdk synth` does it: offline, and with cdk-nag, whose findings end it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.default_document import default_document
from tests.effort import IS_LONG

ROOT = Path(__file__).parents[1]
TABLES = {"tvl": "defi-tvl", "prices": "defi-prices", "protocols": "defi-protocols", "samples": "defi-samples"}
HISTORY = {
    **{"kind": "price", "table": "samples", "shape": "history"},
    "columns": {"chain": {"const": "base"}, "token": "token", "value": "price", "changed_at": "time"},
}
NOTIFY = [
    {"name": "desk", "to": [{"env": "DESK_URL"}, {"url": {"env": "PAGER_URL"}, "name": "pager"}]},
]
ROUTED = {"match": {"severity": "critical"}, "queue": "rtp-critical.fifo", "dead_letter_queue": "rtp-critical-dlq.fifo"}
# Everything is there already. In the file that `docs/how-to/aws-deploy.md` shows, a part is.
EXISTING = """\
name: team
keys: [arn:aws:kms:eu-west-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef]
network:
  vpc: vpc-0123456789abcdef0
  subnets: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]
  reaches: all
tables:
  defi-tvl: arn:aws:dynamodb:eu-west-1:123456789012:table/defi-tvl/stream/2026-01-01T00:00:00.000
  defi-prices: arn:aws:dynamodb:eu-west-1:123456789012:table/team-prices/stream/2026-01-01T00:00:00.000
  defi-protocols: arn:aws:dynamodb:eu-west-1:123456789012:table/defi-protocols/stream/2026-01-01T00:00:00.000
  defi-samples: arn:aws:dynamodb:eu-west-1:123456789012:table/defi-samples   # its stream is looked up
queues:
  rtp-alerts.fifo: arn:aws:sqs:eu-west-1:123456789012:alerts.fifo
  rtp-critical.fifo: arn:aws:sqs:eu-west-1:123456789012:critical.fifo
  rtp-critical-dlq.fifo: arn:aws:sqs:eu-west-1:123456789012:critical-dlq.fifo
  rtp-failures: arn:aws:sqs:eu-west-1:123456789012:failures
cache:
  url: rediss://rtp@cache.example.com:6379/0
  secret: arn:aws:secretsmanager:eu-west-1:123456789012:secret:cache-AbCdEf
  security_group: sg-0123456789abcdef0
  node: cache-001
database:
  dsn: host=defi.cluster-abc.eu-west-1.rds.amazonaws.com dbname=defi user=rtp
  secret: arn:aws:secretsmanager:eu-west-1:123456789012:secret:database-AbCdEf
  security_group: sg-0123456789abcdef1
streams: {commands: true, snap_start: true}
watching: {tracing: true, metrics: false}
"""
# The CDK unpacks its 200 MB of JavaScript the first time: most of what synthesising takes. Where it does by itself.
UNPACKED = {"JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(Path.home() / ".cache" / "aws" / "jsii" / "package-cache")}
# The CDK's own look at the templates warns of what cfn-lint finds, ends nothing, and takes half of synthesising.
VALIDATED = {"CDK_VALIDATION": str(IS_LONG).lower()}
# Then the app is run as `cdk` runs it, with a context that is wrong: node alone takes a second to start.
_SYNTHESISE = """\
import json, runpy, sys
from infrastructure import app
app.synthesise(app.App(), json.loads(sys.argv[1]))
sys.stderr.write(sys.argv[2])
del sys.modules["infrastructure.app"]
runpy.run_module("infrastructure.app", run_name="__main__")
"""
_WRONG = {"tasks": "many"}
_BETWEEN = "--- with a wrong context ---\n"


def prepare(folder: Path) -> None:
    """What a deployment needs: settings with DynamoDB tables and a route, and a package of code."""
    document = default_document()
    document["watches"]["samples"] = HISTORY
    document["dynamodb"] = {"tables": {watch: {"table": name} for watch, name in TABLES.items()}}
    document["dynamodb"]["tables"]["protocols"]["where"] = {"type": "protocol"}
    document["routes"] = [ROUTED]
    document["notify"] = NOTIFY
    (folder / "rtp.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (folder / "second.yaml").write_text(
        "name: second\nwatching: {tracing: true}\ndatabase: {deletion_protection: true}\nnotify: {enabled: true}\n",
        encoding="utf-8",
    )
    (folder / "existing.yaml").write_text(EXISTING, encoding="utf-8")
    page = (ROOT / "docs" / "how-to" / "aws-deploy.md").read_text(encoding="utf-8")
    (folder / "documented.yaml").write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    (folder / "code").mkdir()
    (folder / "code" / "empty.py").write_text("", encoding="utf-8")
    (folder / "code" / ".python-version").write_text("3.13\n", encoding="utf-8")
    (folder / "notify").mkdir()
    (folder / "notify" / "empty.py").write_text("", encoding="utf-8")


def place_of(folder: Path) -> dict[str, str]:
    """The context that leads to what is prepared."""
    return {
        "config": str(folder / "rtp.yaml"),
        "code": str(folder / "code"),
        "consumer_code": str(ROOT / "infrastructure" / "consumer"),
        "notify_code": str(folder / "notify"),
    }


def synthesise(folder: Path) -> None:
    """Write the assembly into `folder/out`, or nothing of it: one deployment of each kind, in one account.

    And into `folder/refused.json` how the app ends where its context is wrong.
    """
    place = place_of(folder)
    contexts = [
        {**place, "parallelization": "7"},
        {**place, "deployment": str(folder / "second.yaml")},
        {**place, "deployment": str(folder / "existing.yaml")},
        {**place, "deployment": str(folder / "documented.yaml")},
    ]
    done = subprocess.run(
        [sys.executable, "-c", _SYNTHESISE, json.dumps(contexts), _BETWEEN],
        env={
            "PATH": "",
            "HOME": str(folder),
            **UNPACKED,
            **VALIDATED,
            "CDK_OUTDIR": str(folder / "out"),
            "CDK_CONTEXT_JSON": json.dumps({"aws:cdk:disable-asset-staging": "true", **_WRONG}),
        },
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=900,
    )
    _, is_synthesised, refused = done.stderr.partition(_BETWEEN)
    if not is_synthesised:
        shutil.rmtree(folder / "out", ignore_errors=True)
        raise AssertionError(done.stdout + done.stderr)
    (folder / "refused.json").write_text(json.dumps([done.returncode, refused]), encoding="utf-8")
