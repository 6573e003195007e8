"""The CDK app, synthesised offline with every check switched on."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from infrastructure.plan import plan_from
from tests.assembly import TABLES
from tests.rtp_process import UNMEASURED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The CDK repeats what CloudFormation would find out by itself: harmless.
CFN_LINT_IGNORES = "W3005"


@pytest.fixture
def cloud(assembly: Path) -> Path:
    return assembly


@pytest.fixture
def folder(assembly: Path) -> Path:
    """Where the settings and the code are that were synthesised."""
    return assembly.parent


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
    queues = {queue.get("QueueName"): queue for queue in resources(cloud, stack, "AWS::SQS::Queue")}
    for name in ("rtp-alerts.fifo", "rtp-critical.fifo"):
        alerts = queues[name]
        assert (alerts["FifoQueue"], alerts["DeduplicationScope"]) == (True, "messageGroup")
        assert alerts["FifoThroughputLimit"] == "perMessageGroupId"
        assert alerts["RedrivePolicy"]["maxReceiveCount"] == 5
    assert queues["rtp-critical-dlq.fifo"]["FifoQueue"] is True
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
    (task,) = resources(cloud, "rtp-postgres", "AWS::ECS::TaskDefinition")
    alarms = resources(cloud, "rtp-postgres", "AWS::CloudWatch::Alarm")
    (running,) = (alarm for alarm in alarms if alarm["MetricName"] == "RunningTaskCount")
    assert (running["ComparisonOperator"], running["TreatMissingData"]) == ("LessThanThreshold", "breaching")
    assert "/healthz" in str(task["ContainerDefinitions"][0]["HealthCheck"])
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
    environ = os.environ | UNMEASURED
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=900)
    assert (done.returncode, done.stdout) == (0, "")


def sends_to(cloud: Path, stack: str, title: str) -> bool:
    """Whether a role may send to the queue with this logical id, before its hash."""
    template = json.loads((cloud / f"{stack}.template.json").read_text(encoding="utf-8"))
    (queue,) = (
        name
        for name, found in template["Resources"].items()
        if found["Type"] == "AWS::SQS::Queue" and name[:-8] == title
    )
    return any(
        "sqs:SendMessage" in statement["Action"] and queue in json.dumps(statement["Resource"])
        for policy in resources(cloud, stack, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
    )


@pytest.mark.parametrize("title", ["QueuesAlerts", "QueuesAlertsrtpcritical"])
def test_both_ways_may_send_to_every_queue_of_alerts(cloud: Path, title: str) -> None:
    assert sends_to(cloud, "rtp-streams", title)
    assert sends_to(cloud, "rtp-postgres", title)


@pytest.mark.parametrize("title", ["QueuesDeadAlerts", "QueuesDeadAlertsrtpcritical"])
def test_rtp_run_may_copy_its_dead_letters_to_the_queues_behind(cloud: Path, title: str) -> None:
    assert sends_to(cloud, "rtp-postgres", title)


def test_functions_run_on_the_python_that_their_code_was_packaged_for(cloud: Path) -> None:
    assert {found["Runtime"] for found in resources(cloud, "rtp-streams", "AWS::Lambda::Function")} == {"python3.13"}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("parallelization", 0, "1 to 10"),
        ("parallelization", 11, "1 to 10"),
        ("batch_records", 10_001, "1 to 10000"),
        ("tasks", 11, "0 to 10"),
    ],
)
def test_what_aws_does_not_take_is_refused(folder: Path, name: str, value: int, words: str) -> None:
    plan = plan_from({"config": str(folder / "rtp.yaml"), "code": str(folder / "code")})
    changes: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(plan, **changes)
