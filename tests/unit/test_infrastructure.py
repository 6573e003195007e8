"""The CDK app, synthesised offline with every check switched on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.settings.file import default_path
from infrastructure.plan import Plan, plan_from

ROOT = Path(__file__).parents[2]
TABLES = {"tvl": "defi-tvl", "prices": "defi-prices", "protocols": "defi-protocols"}
# The CDK repeats what CloudFormation would find out by itself: harmless.
CFN_LINT_IGNORES = "W3005"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a deployment needs: settings with DynamoDB tables, and a package of code."""
    path = tmp_path_factory.mktemp("deployment")
    document = yaml.safe_load(default_path().read_text(encoding="utf-8"))
    document["dynamodb"] = {"tables": {watch: {"table": name} for watch, name in TABLES.items()}}
    (path / "rtp.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (path / "code").mkdir()
    (path / "code" / "empty.py").write_text("", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def cloud(folder: Path) -> Path:
    """The synthesised assembly, made as `cdk synth` makes it: cdk-nag's findings would end it."""
    context = {
        "config": str(folder / "rtp.yaml"),
        "code": str(folder / "code"),
        "parallelization": "7",
        "aws:cdk:disable-asset-staging": "true",
    }
    done = subprocess.run(
        [sys.executable, "-m", "infrastructure.app"],
        env={
            "PATH": "",
            "HOME": str(folder),
            "CDK_OUTDIR": str(folder / "out"),
            "CDK_CONTEXT_JSON": json.dumps(context),
        },
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out"


def resources(cloud: Path, stack: str, kind: str) -> list[Mapping[str, Any]]:
    template = json.loads((cloud / f"{stack}.template.json").read_text(encoding="utf-8"))
    return [found["Properties"] for found in template["Resources"].values() if found["Type"] == kind]


pytestmark = pytest.mark.timeout(1000)  # ten seconds of work, on a machine that may be busy


def test_each_tables_stream_feeds_the_handler(cloud: Path) -> None:
    tables = {table.get("TableName"): table for table in resources(cloud, "rtp-streams", "AWS::DynamoDB::Table")}
    assert set(TABLES.values()) <= set(tables)
    assert all(
        tables[name]["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"} for name in TABLES.values()
    )
    mappings = resources(cloud, "rtp-streams", "AWS::Lambda::EventSourceMapping")
    streams = [mapping for mapping in mappings if "ParallelizationFactor" in mapping]
    assert len(streams) == len(TABLES)
    for mapping in streams:
        assert mapping["BisectBatchOnFunctionError"] is True
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["ParallelizationFactor"] == 7
        assert mapping["MaximumRecordAgeInSeconds"] < 24 * 3600
        assert "OnFailure" in mapping["DestinationConfig"]


@pytest.mark.parametrize("stack", ["rtp-streams", "rtp-postgres"])
def test_alerts_are_in_order_at_a_high_rate_and_die_in_a_queue_of_their_own(cloud: Path, stack: str) -> None:
    (alerts,) = (q for q in resources(cloud, stack, "AWS::SQS::Queue") if q.get("QueueName") == "rtp-alerts.fifo")
    assert (alerts["FifoQueue"], alerts["DeduplicationScope"]) == (True, "messageGroup")
    assert alerts["FifoThroughputLimit"] == "perMessageGroupId"
    assert alerts["RedrivePolicy"]["maxReceiveCount"] == 5
    assert all("KmsMasterKeyId" in queue for queue in resources(cloud, stack, "AWS::SQS::Queue"))


def test_the_cache_is_encrypted_in_two_zones_and_evicts_no_baseline(cloud: Path) -> None:
    (nodes,) = resources(cloud, "rtp-streams", "AWS::ElastiCache::ReplicationGroup")
    wanted = ("AtRestEncryptionEnabled", "TransitEncryptionEnabled", "AutomaticFailoverEnabled", "MultiAZEnabled")
    assert all(nodes[name] is True for name in wanted)
    (parameters,) = resources(cloud, "rtp-streams", "AWS::ElastiCache::ParameterGroup")
    assert parameters["Properties"] == {"maxmemory-policy": "volatile-ttl"}


def test_nothing_may_do_everything_anywhere(cloud: Path) -> None:
    for stack in ("rtp-streams", "rtp-postgres"):
        for policy in resources(cloud, stack, "AWS::IAM::Policy"):
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                assert not {action for action in actions if action.endswith(":*") or action == "*"}
        assert not [role for role in resources(cloud, stack, "AWS::IAM::Role") if "ManagedPolicyArns" in role]


def test_the_handler_has_no_password_in_its_environment(cloud: Path) -> None:
    for function in resources(cloud, "rtp-streams", "AWS::Lambda::Function"):
        assert "resolve:secretsmanager" not in json.dumps(function["Environment"])


@pytest.mark.parametrize(
    "metric",
    ["IteratorAge", "Errors", "Throttles", "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"],
)
def test_someone_is_told(cloud: Path, metric: str) -> None:
    alarms = resources(cloud, "rtp-streams", "AWS::CloudWatch::Alarm")
    assert any(alarm["MetricName"] == metric for alarm in alarms)
    assert all(alarm["AlarmActions"] for alarm in alarms)
    assert len(resources(cloud, "rtp-streams", "AWS::CloudWatch::Dashboard")) == 1


def test_rtp_run_has_a_standby_beside_a_database_in_two_zones(cloud: Path) -> None:
    (service,) = resources(cloud, "rtp-postgres", "AWS::ECS::Service")
    (database,) = resources(cloud, "rtp-postgres", "AWS::RDS::DBInstance")
    assert service["DesiredCount"] == 2
    assert (database["MultiAZ"], database["StorageEncrypted"], database["DeletionProtection"]) == (True, True, True)


def test_cfn_lint_finds_nothing(cloud: Path) -> None:
    templates = [str(path) for path in cloud.glob("*.template.json")]
    command = [
        sys.executable,
        "-c",
        "from cfnlint.runner import main; main()",
        "--ignore-checks",
        CFN_LINT_IGNORES,
        "--",
        *templates,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("factor", [0, 11])
def test_a_parallelization_that_lambda_does_not_take_is_refused(folder: Path, factor: int) -> None:
    plan = plan_from({"config": str(folder / "rtp.yaml"), "code": str(folder / "code")})
    with pytest.raises(ValueError, match="1 to 10"):
        Plan(plan.settings, plan.config, plan.code, parallelization=factor)
