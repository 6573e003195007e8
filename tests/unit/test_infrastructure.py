"""The CDK app, synthesised offline with every check switched on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import core.handler.figures
import core.monitor.figures
import core.notify.figures
from core.emf import CloudWatchMetric
from core.errors import SettingsError
from infrastructure.plan import plan_from
from tests.assembly import EXISTING, ROOT, TABLES, place_of
from tests.effort import IS_LONG

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The CDK repeats what CloudFormation would find out by itself: harmless.
CFN_LINT_IGNORES = "W3005"
# The deployments in which all is made, and nothing of what could be there already.
MOST_AND_LEAST = ("second", "team")


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
        assert mapping["MaximumRetryAttempts"] == -1  # until the record is too old
        assert mapping["MaximumRecordAgeInSeconds"] < 24 * 3600
        assert "OnFailure" in mapping["DestinationConfig"]


def test_only_a_historys_stream_is_read_one_batch_at_a_time(cloud: Path) -> None:
    factors = {
        table: mapping["ParallelizationFactor"]
        for mapping in resources(cloud, "rtp-streams", "AWS::Lambda::EventSourceMapping")
        if "ParallelizationFactor" in mapping
        for table in TABLES.values()
        if f"Table{table_title(table)}" in json.dumps(mapping["EventSourceArn"])
    }
    assert factors == dict.fromkeys(TABLES.values(), 7) | {TABLES["samples"]: 1}


def test_items_of_no_watch_do_not_invoke_the_handler(cloud: Path) -> None:
    filtered = [
        mapping
        for mapping in resources(cloud, "rtp-streams", "AWS::Lambda::EventSourceMapping")
        if "FilterCriteria" in mapping
    ]
    (mapping,) = filtered
    assert "Tableprotocols" in json.dumps(mapping["EventSourceArn"])
    assert [json.loads(one["Pattern"]) for one in mapping["FilterCriteria"]["Filters"]] == [
        {"dynamodb": {image: {"type": {"S": ["protocol"]}}}} for image in ("NewImage", "OldImage")
    ]


def table_title(table: str) -> str:
    """A made table's watch, as the logical id has it."""
    return next(watch for watch, name in TABLES.items() if name == table)


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


QUEUES_AND_CACHE = {
    *("ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"),
    *("DatabaseMemoryUsagePercentage", "EngineCPUUtilization"),
}
FUNCTIONS = {"Errors", "Throttles"}
TOLD_BY_THE_HANDLER = {"Ticks", "OldestPendingAlertSeconds", "BaselinesLost", "FailedBatches", "OutOfOrder"}
TOLD_BY_THE_NOTIFIER = {"NotifyTicks", "NotifyOpenCircuits", "UntoldDeadLetters"}
TOLD_BY_RTP_RUN = {"SinkLagSeconds", "OpenCircuits", "DeadLettersKept", "UnarmedWatches", "Leaders"}


@pytest.mark.parametrize(
    ("stack", "metrics"),
    [
        ("rtp-streams", {"IteratorAge", *FUNCTIONS, *QUEUES_AND_CACHE, *TOLD_BY_THE_HANDLER}),
        ("second-streams", {"IteratorAge", *FUNCTIONS, *QUEUES_AND_CACHE, *TOLD_BY_THE_HANDLER, *TOLD_BY_THE_NOTIFIER}),
        ("rtp-postgres", {"RunningTaskCount", "FreeStorageSpace", *FUNCTIONS, *QUEUES_AND_CACHE, *TOLD_BY_RTP_RUN}),
        # Without metrics of rtp's own, EventBridge tells of the tick.
        ("team-streams", {"IteratorAge", "Invocations", *FUNCTIONS, *QUEUES_AND_CACHE}),
        ("team-postgres", {"RunningTaskCount", *QUEUES_AND_CACHE}),
    ],
)
def test_someone_is_told(cloud: Path, stack: str, metrics: set[str]) -> None:
    alarms = resources(cloud, stack, "AWS::CloudWatch::Alarm")
    assert {alarm["MetricName"] for alarm in alarms} == metrics
    assert all(alarm["AlarmActions"] for alarm in alarms)
    (board,) = resources(cloud, stack, "AWS::CloudWatch::Dashboard")
    assert all(metric in json.dumps(board["DashboardBody"]) for metric in metrics - QUEUES_AND_CACHE)


@pytest.mark.parametrize("stack", ["rtp-streams", "team-postgres"])
def test_alarms_may_publish_to_their_topic(cloud: Path, stack: str) -> None:
    """Its policy takes the place of SNS's own, by which whatever is in the account may."""
    (policy,) = resources(cloud, stack, "AWS::SNS::TopicPolicy")
    (allowed,) = (one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Allow")
    assert (allowed["Action"], allowed["Principal"]) == ("sns:Publish", {"Service": "cloudwatch.amazonaws.com"})
    assert ":alarm:*" in json.dumps(allowed["Condition"])


def test_the_space_of_a_database_that_is_there_is_watched(cloud: Path) -> None:
    alarms = resources(cloud, "defi-postgres", "AWS::CloudWatch::Alarm")
    (space,) = (alarm for alarm in alarms if alarm["MetricName"] == "FreeStorageSpace")
    assert space["Dimensions"] == [{"Name": "DBInstanceIdentifier", "Value": "defi-1"}]


def test_what_must_be_there_is_an_alarm_where_it_is_missing(cloud: Path) -> None:
    missing = {
        alarm["MetricName"]: alarm["TreatMissingData"]
        for stack in ("rtp-streams", "second-streams", "rtp-postgres")
        for alarm in resources(cloud, stack, "AWS::CloudWatch::Alarm")
    }
    floors = {"Ticks", "NotifyTicks", "Leaders", "RunningTaskCount", "FreeStorageSpace"}
    assert {name for name, treatment in missing.items() if treatment == "breaching"} == floors


def test_what_is_watched_is_what_rtp_tells() -> None:
    modules = (core.handler.figures, core.monitor.figures, core.notify.figures)
    told = {one.name for module in modules for one in vars(module).values() if isinstance(one, CloudWatchMetric)}
    assert told >= TOLD_BY_THE_HANDLER | TOLD_BY_THE_NOTIFIER | TOLD_BY_RTP_RUN


def handler_of(cloud: Path, stack: str) -> Mapping[str, Any]:
    functions = resources(cloud, stack, "AWS::Lambda::Function")
    return next(found for found in functions if found["Handler"].startswith("core."))


def test_each_deployment_tells_cloudwatch_under_its_own_name_where_it_is_asked_to(cloud: Path) -> None:
    stacks = ("rtp-streams", "second-streams", "team-streams")
    found = [handler_of(cloud, stack)["Environment"]["Variables"].get("RTP_EMF_NAMESPACE") for stack in stacks]
    assert found == ["rtp", "second", None]


def notifier_of(cloud: Path, stack: str) -> Mapping[str, Any]:
    (found,) = (
        one for one in resources(cloud, stack, "AWS::Lambda::Function") if one["Handler"].startswith("core.notify.")
    )
    return found


def test_people_are_told_in_place_of_the_example_consumer_where_the_deployment_says_so(cloud: Path) -> None:
    for stack in ("second-streams", "second-postgres"):
        functions = resources(cloud, stack, "AWS::Lambda::Function")
        assert "alerts.handler" not in {found["Handler"] for found in functions}
        assert notifier_of(cloud, stack)["Handler"] == "core.notify.serverless.lambda_function.handler"
    handlers = {found["Handler"] for found in resources(cloud, "rtp-streams", "AWS::Lambda::Function")}
    assert handlers == {"core.handler.lambda_function.handler", "alerts.handler"}


def test_who_tells_people_reads_every_queue_that_is_made_and_returns_what_it_could_not_take(cloud: Path) -> None:
    def queues_read(stack: str) -> list[str]:
        mappings = resources(cloud, stack, "AWS::Lambda::EventSourceMapping")
        found = [one for one in mappings if "ScalingConfig" in one]
        assert all(one["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for one in found)
        assert all("Notifier" in json.dumps(one["FunctionName"]) for one in found)
        return [json.dumps(one["EventSourceArn"]) for one in found]

    assert [one.split('"')[3][:-8] for one in queues_read("second-streams")] == [
        *("QueuesAlerts", "QueuesAlertssecondrtpcritical")
    ]
    # One that was there has a consumer, unless the deployment says that this is it.
    assert [":pager.fifo" in one for one in queues_read("defi-streams")] == [False, True]


def test_who_tells_people_reads_the_addresses_from_a_secret_and_has_a_way_to_them(cloud: Path) -> None:
    function = notifier_of(cloud, "second-streams")
    assert "DESK_URL" not in function["Environment"]["Variables"]
    (made,) = (
        one["GenerateSecretString"]
        for one in resources(cloud, "second-streams", "AWS::SecretsManager::Secret")
        if "DESK_URL" in json.dumps(one)
    )
    assert json.loads(made["SecretStringTemplate"]) == {"DESK_URL": "", "PAGER_URL": ""}
    assert made["GenerateStringKey"] == "RTP_NOTIFY_KEY"
    assert resources(cloud, "second-streams", "AWS::EC2::NatGateway")
    assert not resources(cloud, "rtp-streams", "AWS::EC2::NatGateway")
    subnets = json.dumps(function["VpcConfig"]["SubnetIds"])
    assert subnets.count("outwardSubnet") == 2
    there = notifier_of(cloud, "defi-streams")
    assert ":secret:notify-AbCdEf" in there["Environment"]["Variables"]["RTP_NOTIFY_SECRET"]
    assert there["VpcConfig"]["SubnetIds"] == ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]


def test_who_tells_people_may_read_the_queues_and_two_secrets_and_nothing_else_of_the_deployment(cloud: Path) -> None:
    found = [
        statement["Action"]
        for policy in resources(cloud, "second-streams", "AWS::IAM::Policy")
        if policy["PolicyName"].startswith("NotifierRole")
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    allowed = {action for actions in found for action in ([actions] if isinstance(actions, str) else actions)}
    services = {action.partition(":")[0] for action in allowed}
    assert services == {"ec2", "kms", "logs", "secretsmanager", "sqs", "xray"}
    assert not {"sqs:SendMessage", "kms:Encrypt", "secretsmanager:PutSecretValue"} & allowed


def test_the_ticks_of_who_tells_people_come_each_minute(cloud: Path) -> None:
    rules = resources(cloud, "second-streams", "AWS::Events::Rule")
    (rule,) = (rule for rule in rules if "Notifier" in json.dumps(rule["Targets"]))
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert json.loads(rule["Targets"][0]["Input"]) == {"rtp": "tick"}


def test_functions_and_rtp_run_log_in_json(cloud: Path) -> None:
    functions = resources(cloud, "rtp-streams", "AWS::Lambda::Function")
    assert {found["LoggingConfig"]["LogFormat"] for found in functions} == {"JSON"}
    environments = [
        {variable["Name"]: variable["Value"] for variable in container["Environment"]}
        for task in resources(cloud, "rtp-postgres", "AWS::ECS::TaskDefinition")
        for container in task["ContainerDefinitions"]
        if container["Command"][:2] == ["rtp", "run"]
    ]
    assert [found["RTP_LOG_FORMAT"] for found in environments] == ["json"]


def test_a_deployment_chooses_traces_and_snapshots(cloud: Path) -> None:
    assert handler_of(cloud, "rtp-streams").get("TracingConfig", {}).get("Mode") != "Active"
    assert "SnapStart" not in handler_of(cloud, "rtp-streams")
    chosen = handler_of(cloud, "team-streams")
    assert (chosen["TracingConfig"]["Mode"], chosen["SnapStart"]["ApplyOn"]) == ("Active", "PublishedVersions")
    (alias,) = (name for name in names_of(cloud, "team-streams", "AWS::Lambda::Alias"))
    mappings = resources(cloud, "team-streams", "AWS::Lambda::EventSourceMapping")
    assert all(alias in json.dumps(mapping["FunctionName"]) for mapping in mappings)


def names_of(cloud: Path, stack: str, kind: str) -> list[str]:
    template = json.loads((cloud / f"{stack}.template.json").read_text(encoding="utf-8"))
    return [name for name, found in template["Resources"].items() if found["Type"] == kind]


def test_rtp_run_has_a_standby_beside_a_database_in_two_zones(cloud: Path) -> None:
    (service,) = resources(cloud, "rtp-postgres", "AWS::ECS::Service")
    task = run_task(cloud, "rtp-postgres")
    alarms = resources(cloud, "rtp-postgres", "AWS::CloudWatch::Alarm")
    (running,) = (alarm for alarm in alarms if alarm["MetricName"] == "RunningTaskCount")
    assert (running["ComparisonOperator"], running["TreatMissingData"]) == ("LessThanThreshold", "breaching")
    assert "/healthz" in str(task["ContainerDefinitions"][0]["HealthCheck"])
    (database,) = resources(cloud, "rtp-postgres", "AWS::RDS::DBInstance")
    assert service["DesiredCount"] == 2
    assert (database["MultiAZ"], database["StorageEncrypted"]) == (True, True)


def run_task(cloud: Path, stack: str) -> Mapping[str, Any]:
    """The task of `rtp run`, the only one with a health check."""
    tasks = resources(cloud, stack, "AWS::ECS::TaskDefinition")
    (found,) = (task for task in tasks if "HealthCheck" in task["ContainerDefinitions"][0])
    return found


def test_rtp_run_starts_after_its_triggers_are_up_to_date(cloud: Path) -> None:
    run, install = run_task(cloud, "rtp-postgres")["ContainerDefinitions"]
    assert install["Command"][:2] == ["rtp", "install-triggers"]
    assert install["Essential"] is False
    assert run["DependsOn"] == [{"Condition": "SUCCESS", "ContainerName": install["Name"]}]


WAYS = ("AWS::EC2::VPCEndpoint", "AWS::EC2::SecurityGroupEgress", "AWS::EC2::SecurityGroupIngress")


def test_no_function_starts_before_its_ways_are_there(cloud: Path) -> None:
    """A snapshot is taken of a function that has started, within the deployment."""
    template = json.loads((cloud / "defi-streams.template.json").read_text(encoding="utf-8"))
    ways = {name for name, found in template["Resources"].items() if found["Type"] in WAYS}
    assert ways <= set(template["Resources"]["HandlerFunction0D87A48C"]["DependsOn"])


def test_no_task_starts_before_its_ways_and_rights_are_there(cloud: Path) -> None:
    """With a database that is there, nothing else would hold it back, and tasks that fail end a deployment."""
    template = json.loads((cloud / "defi-postgres.template.json").read_text(encoding="utf-8"))
    kinds = (*WAYS, "AWS::IAM::Policy")
    needed = {name for name, found in template["Resources"].items() if found["Type"] in kinds}
    (service,) = (found for found in template["Resources"].values() if found["Type"] == "AWS::ECS::Service")
    consumers = {name for name in needed if name.startswith(("Consumer", "Notifier"))}
    assert needed - consumers <= set(service["DependsOn"])


@pytest.mark.parametrize("stack", ["rtp-postgres", "team-streams"])
def test_one_off_commands_have_a_task(cloud: Path, stack: str) -> None:
    tasks = resources(cloud, stack, "AWS::ECS::TaskDefinition")
    assert any(task["ContainerDefinitions"][0]["Command"] == ["rtp", "--help"] for task in tasks)
    template = json.loads((cloud / f"{stack}.template.json").read_text(encoding="utf-8"))
    assert {"ClusterName", "TaskDefinition", "SubnetIds", "ClientGroup"} <= set(template["Outputs"])


def test_the_documented_way_to_run_a_command_passes_it_on_word_by_word(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "aws-deploy.md").read_text("utf-8")
    script = page[page.index("rtp_task() {") :].partition("\n}\n")[0] + "\n}"
    (tmp_path / "aws").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    (tmp_path / "aws").chmod(0o755)
    command = ["replay", "--failures", "defi-rtp-failures", "--config", "/app/rtp yaml"]
    done = subprocess.run(
        ["/bin/sh", "-c", f'{script}\nrtp_task "$@"', "sh", *command],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    (overrides,) = json.loads(done.stdout.splitlines()[-1])["containerOverrides"]
    assert overrides == {"name": "rtp", "command": ["rtp", *command]}


def test_the_database_is_reached_with_its_certificate_verified_and_no_password_at_hand(cloud: Path) -> None:
    for stack in ("rtp-postgres", "team-postgres"):
        for container in run_task(cloud, stack)["ContainerDefinitions"]:
            values = {one["Name"]: json.dumps(one["Value"]) for one in container["Environment"]}
            assert "sslmode=verify-full sslrootcert=/app/rds-ca.pem" in values["RTP_POSTGRES_DSN"]
            assert {"RTP_POSTGRES_SECRET", "RTP_REDIS_SECRET"} <= set(values)
            assert "Secrets" not in container
    (database,) = resources(cloud, "rtp-postgres", "AWS::RDS::DBInstance")
    assert database["ManageMasterUserPassword"] is True  # RDS rotates it


def test_cfn_lint_finds_nothing(cloud: Path) -> None:
    deployments = ("rtp", "second", "team", "defi") if IS_LONG else MOST_AND_LEAST
    templates = [str(path) for name in deployments for path in cloud.glob(f"{name}-*.template.json")]
    assert len(templates) == 2 * len(deployments)
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


def may(cloud: Path, stack: str, action: str, title: str) -> bool:
    """Whether a role may do this with the queue with this logical id, before its hash."""
    template = json.loads((cloud / f"{stack}.template.json").read_text(encoding="utf-8"))
    (queue,) = (
        name
        for name, found in template["Resources"].items()
        if found["Type"] == "AWS::SQS::Queue" and name[:-8] == title
    )
    return any(
        action in statement["Action"] and queue in json.dumps(statement["Resource"])
        for policy in resources(cloud, stack, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
    )


def test_the_handler_may_ask_and_read_its_tables_and_no_others(cloud: Path) -> None:
    wanted = {"dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"}
    statements = [
        statement
        for policy in resources(cloud, "team-streams", "AWS::IAM::Policy")
        if policy["PolicyName"].startswith("HandlerRole")
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    readable = [one["Resource"] for one in statements if wanted <= set(one["Action"])]
    tables = {arn.split("/")[1] for found in readable for arn in found}
    assert tables == {"defi-tvl", "team-prices", "defi-protocols", "defi-samples"}
    assert all(found == [found[0], f"{found[0]}/index/*"] for found in readable)


@pytest.mark.parametrize("title", ["QueuesAlerts", "QueuesAlertsrtpcritical"])
def test_both_ways_may_send_to_every_queue_of_alerts(cloud: Path, title: str) -> None:
    assert may(cloud, "rtp-streams", "sqs:SendMessage", title)
    assert may(cloud, "rtp-postgres", "sqs:SendMessage", title)


@pytest.mark.parametrize("title", ["QueuesDeadAlerts", "QueuesDeadAlertsrtpcritical"])
def test_rtp_run_may_work_the_queues_of_dead_letters(cloud: Path, title: str) -> None:
    for action in ("SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"):
        assert may(cloud, "rtp-postgres", f"sqs:{action}", title)


def test_functions_run_on_the_python_that_their_code_was_packaged_for(cloud: Path) -> None:
    assert {found["Runtime"] for found in resources(cloud, "rtp-streams", "AWS::Lambda::Function")} == {"python3.13"}


NAMED = {
    "AWS::SQS::Queue": "QueueName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::ElastiCache::User": "UserId",
    "AWS::ElastiCache::UserGroup": "UserGroupId",
}


def test_two_deployments_side_by_side_have_no_name_in_common(cloud: Path) -> None:
    def names(stack: str) -> set[str]:
        found = {
            json.dumps(one[name])
            for kind, name in NAMED.items()
            for one in resources(cloud, stack, kind)
            if name in one
        }
        template = json.loads((cloud / f"{stack}.template.json").read_text(encoding="utf-8"))
        exports = {json.dumps(output["Export"]) for output in template["Outputs"].values() if "Export" in output}
        families = {task["Family"] for task in resources(cloud, stack, "AWS::ECS::TaskDefinition")}
        return found | exports | families

    for way in ("streams", "postgres"):
        assert names(f"rtp-{way}")
        assert not names(f"rtp-{way}") & names(f"second-{way}")


def test_nothing_else_has_a_name_of_its_own(cloud: Path) -> None:
    """A name would be in the way of a second deployment, and of CloudFormation where it replaces what has it."""
    for stack in ("rtp-streams", "rtp-postgres"):
        template = json.loads((cloud / f"{stack}.template.json").read_text(encoding="utf-8"))
        for resource in template["Resources"].values():
            last = resource["Type"].rpartition("::")[2]
            named = {f"{last}Name", f"{last}Id", "Name", "LogGroupName", "AlarmName", "DBInstanceIdentifier"}
            # A policy belongs to its role, and a user's name to its cache.
            allowed = {NAMED.get(resource["Type"]), "PolicyName", "UserName"}
            fixed = {name for name, value in resource.get("Properties", {}).items() if isinstance(value, str)}
            assert not named & fixed - allowed, resource


def test_what_the_second_deployment_calls_its_queues_and_tables_is_told_to_the_handler(cloud: Path) -> None:
    functions = resources(cloud, "second-streams", "AWS::Lambda::Function")
    names, *others = (
        json.loads(values["RTP_NAMES"])
        for function in functions
        if "RTP_NAMES" in (values := function["Environment"]["Variables"])
    )
    assert others == [names]  # the notifier's
    made = {
        one.get("QueueName") or one.get("TableName")
        for kind in ("AWS::SQS::Queue", "AWS::DynamoDB::Table")
        for one in resources(cloud, "second-streams", kind)
    }
    assert names["rtp-critical.fifo"] == "second-rtp-critical.fifo"
    assert set(names.values()) <= made


def test_a_first_deployment_that_failed_leaves_no_table_in_the_way(cloud: Path) -> None:
    template = json.loads((cloud / "rtp-streams.template.json").read_text(encoding="utf-8"))
    kept = {found["Type"]: found for found in template["Resources"].values() if found.get("DeletionPolicy") == "Retain"}
    assert not set(kept) & set(NAMED)


def test_a_first_deployment_that_failed_can_delete_its_database_which_else_stays(cloud: Path) -> None:
    """What stays in a network keeps that from being deleted, and so the stack, and so the second deployment."""
    template = json.loads((cloud / "rtp-postgres.template.json").read_text(encoding="utf-8"))
    assert not [found for found in template["Resources"].values() if found.get("DeletionPolicy") == "Retain"]
    (database,) = (found for found in template["Resources"].values() if found["Type"] == "AWS::RDS::DBInstance")
    assert (database["DeletionPolicy"], database["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert not database["Properties"]["DeletionProtection"]
    (protected,) = resources(cloud, "second-postgres", "AWS::RDS::DBInstance")
    assert protected["DeletionProtection"] is True


@pytest.mark.parametrize("way", ["streams", "postgres"])
def test_what_is_there_is_not_made(cloud: Path, way: str) -> None:
    stack = f"team-{way}"
    for kind in ("DynamoDB::Table", "SQS::Queue", "EC2::VPC", "EC2::VPCEndpoint", "EC2::Subnet"):
        assert not resources(cloud, stack, f"AWS::{kind}")
    for kind in ("ElastiCache::ReplicationGroup", "ElastiCache::User", "RDS::DBInstance", "SecretsManager::Secret"):
        assert not resources(cloud, stack, f"AWS::{kind}")


def test_streams_that_are_there_feed_the_handler(cloud: Path) -> None:
    mappings = resources(cloud, "team-streams", "AWS::Lambda::EventSourceMapping")
    assert {mapping["EventSourceArn"].split("/")[1] for mapping in mappings} == {
        *("defi-tvl", "team-prices", "defi-protocols", "defi-samples")
    }
    manifest = json.loads((cloud / "manifest.json").read_text(encoding="utf-8"))
    looked_up = {missing["props"]["exactIdentifier"] for missing in manifest["missing"]}
    assert looked_up == {"defi-samples", "defi-tvl"}  # the latter in the documented deployment


def test_what_is_there_lets_rtp_in(cloud: Path) -> None:
    doors = resources(cloud, "team-postgres", "AWS::EC2::SecurityGroupIngress")
    assert {(door["GroupId"], door["ToPort"]) for door in doors} == {
        ("sg-0123456789abcdef0", 6379),
        ("sg-0123456789abcdef1", 5432),
    }


WRONG = [
    ("", {"parallelization": "11"}, "context parallelization: must be 10 or less, not 11"),
    ("", {"tasks": "11"}, "context tasks: must be 10 or less, not 11"),
    ("streams: {batch_records: 10001}", {}, ":1: streams.batch_records: must be 10000 or less, not 10001"),
    ("name: Team", {}, ":1: name: must be up to 20 small letters, digits and single -, a letter first, not Team"),
    ("network:\n  vcp: vpc-0123456789abcdef0", {}, ":2: network.vcp: unknown key. Did you mean vpc?"),
    ("network: {vpc: vpc-01234567}", {}, ":1: network: names a VPC and fewer than two subnets. Name two, in two zones"),
    ("tables:\n  tvl: arn:aws:dynamodb:eu-west-1:123456789012:table/tvl", {}, ":2: tables.tvl: "),
    ("tables:\n  defi-tvl: defi-tvl", {}, ":2: tables.defi-tvl: must be an ARN, like arn:aws:dynamodb:"),
    ("cache: {url: 'rediss://rtp:hunter2@cache:6379/0'}", {}, ":1: cache.url: holds a password. Leave it out"),
    (
        "database: {dsn: host=defi.proxy-abc.eu-west-1.rds.amazonaws.com}",
        {},
        ":1: database.dsn: leads to RDS Proxy, a pooler. Name the instance",
    ),
    ("database: {dsn: 'host=db password=hunter2'}", {}, ":1: database.dsn: holds a password. Leave it out"),
    (
        "cache: {secret: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf'}",
        {},
        ":1: cache: says something",
    ),
    ("streams: {snap_start: 1}", {}, ":1: streams.snap_start: must be true or false, not 1"),
    ('watching: {metrics: "no"}', {}, ":1: watching.metrics: must be true or false. Write it without quotes"),
    ("streams: {batch_window: 500ms}", {}, ":1: streams.batch_window: must be whole seconds, not 500ms"),
    (
        "database: {instance_class: large}",
        {},
        ":1: database.instance_class: must be a class of RDS, like db.t4g.medium",
    ),
    ("cache: {node_type: t4g.medium}", {}, ":1: cache.node_type: must be a type of ElastiCache, like cache.t4g.medium"),
    ("cache: {url: 'rediss://rtp@cache:6379/0?password=hunter2'}", {}, ":1: cache.url: holds a password. Leave it out"),
    ("cache: {url: 'unix:///run/valkey'}", {}, ":1: cache.url: names no host"),
    ("database: {dsn: 'host=/run/postgresql'}", {}, ":1: database.dsn: names no host"),
    ("database: {dsn: 'host=a,b port=1,2'}", {}, ":1: database.dsn: names several hosts. Name the instance"),
    (
        "network: {vpc: vpc-01234567, subnets: [subnet-01234567, subnet-01234567], reaches: all}",
        {},
        ":1: network: names a subnet twice. Name one in each of two zones",
    ),
    (
        "queues:\n  rtp-failures: arn:aws:sqs:eu-west-1:123456789012:failures.fifo",
        {},
        ":2: queues.rtp-failures: must be a standard queue, not a FIFO one",
    ),
    (
        "queues:\n  rtp-alerts.fifo: arn:aws:sqs:eu-west-1:123456789012:alerts",
        {},
        ":2: queues.rtp-alerts.fifo: must be a FIFO queue",
    ),
    (
        "queues:\n  rtp-critical.fifo: arn:aws:sqs:eu-west-1:123456789012:rtp-alerts.fifo",
        {},
        ":2: queues.rtp-critical.fifo: rtp-alerts.fifo is rtp-alerts.fifo already. Name another",
    ),
    (
        EXISTING.replace("secretsmanager:eu-west-1", "secretsmanager:us-east-1"),
        {},
        "names ARNs in several regions: eu-west-1, us-east-1. A deployment is in one",
    ),
    (
        "cache: {url: 'rediss://rtp@cache.example:6379/0'}",
        {},
        ":1: cache: is there already, and a network that is made leads nowhere. Name the one under network.vpc",
    ),
    (
        "database: {dsn: 'host=db.example dbname=defi'}",
        {},
        ":1: database: is there already, and a network that is made leads nowhere. Name the one under network.vpc",
    ),
    (
        "network: {vpc: vpc-01234567, subnets: [subnet-01234567, subnet-01234568],"
        " route_tables: [rtb-01234567, rtb-01234567]}",
        {},
        ":1: network: names a route table twice. Name each once",
    ),
    (
        "network: {vpc: vpc-01234567, subnets: [subnet-01234567, subnet-01234568], reaches: ALL}",
        {},
        ":1: network.reaches: must be all, or a list of dynamodb, s3, dynamodb-streams, ",
    ),
    ("notify: {queues: [rtp-alerts.fifo]}", {}, ":1: notify: says something of telling people and does not do it"),
    (
        "notify:\n  enabled: true\n  queues: [rtp-desk.fifo]",
        {},
        ":3: notify.queues[0]: is no queue of alerts. Known there: rtp-alerts.fifo, rtp-critical.fifo",
    ),
    ("notify: {enabled: true}", {"notify_code": "nowhere"}, "notify.code: nowhere is no directory. Run make package"),
    (
        f"{EXISTING}notify: {{enabled: true}}",
        {},
        "notify: every queue is there already, and has consumers of its own. Name those to read under notify.queues",
    ),
    ("", {"code": "nowhere"}, "code: nowhere is no directory. Run make package CONFIG="),
    (EXISTING.replace("sqs:eu-west-1", "sqs:eu-west-2"), {}, "tables and queues are in several accounts or regions"),
]


@pytest.mark.parametrize(("file", "context", "words"), WRONG)
def test_what_cannot_be_deployed_is_refused_with_its_line(
    folder: Path, tmp_path: Path, file: str, context: Mapping[str, str], words: str
) -> None:
    path = tmp_path / "deploy.yaml"
    path.write_text(file or "name: rtp", encoding="utf-8")
    with pytest.raises(SettingsError) as failure:
        plan_from({**place_of(folder), "deployment": str(path), **context})
    (line,) = str(failure.value).splitlines()
    assert words in line
    assert "hunter2" not in line


def test_the_app_ends_with_that_line(folder: Path) -> None:
    refused = json.loads((folder / "refused.json").read_text(encoding="utf-8"))
    assert refused == [2, "context tasks: must be a whole number, not many\n"]


def test_code_that_was_packaged_with_other_settings_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "rtp.yaml").write_text("watches: {}", encoding="utf-8")
    with pytest.raises(SettingsError, match="Run make package"):
        plan_from({**place_of(folder), "code": str(tmp_path)})


def test_a_template_that_was_not_packaged_as_it_is_now_is_refused(folder: Path, tmp_path: Path) -> None:
    settings = (folder / "rtp.yaml").read_text(encoding="utf-8") + "\n"
    written, code, deploy = tmp_path / "rtp.yaml", tmp_path / "notify", tmp_path / "deploy.yaml"
    written.write_text(settings.replace("name: desk", "name: desk\n  template: words/desk.md.j2"), encoding="utf-8")
    deploy.write_text("notify: {enabled: true}", encoding="utf-8")
    for place, text in ((tmp_path, "now"), (code, "then")):
        (place / "words").mkdir(parents=True)
        (place / "words" / "desk.md.j2").write_text(text, encoding="utf-8")
    (code / "rtp.yaml").write_bytes(written.read_bytes())
    context = {**place_of(folder), "config": str(written), "notify_code": str(code), "deployment": str(deploy)}
    with pytest.raises(SettingsError, match=r"the template words/desk\.md\.j2 was not packaged as it is\. Run make"):
        plan_from(context)
    (code / "words" / "desk.md.j2").write_text("now", encoding="utf-8")
    assert plan_from(context).notify_variables == ["DESK_URL", "PAGER_URL"]


def test_a_name_that_becomes_too_long_is_refused(folder: Path, tmp_path: Path) -> None:
    written = (folder / "rtp.yaml").read_text(encoding="utf-8")
    (tmp_path / "rtp.yaml").write_text(written.replace("rtp-critical.fifo", f"{'c' * 75}.fifo"), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"name: makes defi-c+\.fifo of c+\.fifo\. AWS takes 80 characters"):
        plan_from({**place_of(folder), "config": str(tmp_path / "rtp.yaml"), "name": "defi"})


def test_traces_have_a_way_out_of_a_network_that_has_none(cloud: Path) -> None:
    def services(stack: str) -> str:
        return json.dumps([found["ServiceName"] for found in resources(cloud, stack, "AWS::EC2::VPCEndpoint")])

    assert [".xray" in services(f"{name}-streams") for name in ("rtp", "second", "team")] == [False, True, False]


def test_only_what_a_network_lacks_is_added_to_it(cloud: Path) -> None:
    def services(stack: str) -> set[str]:
        endpoints = resources(cloud, stack, "AWS::EC2::VPCEndpoint")
        assert {endpoint["VpcId"] for endpoint in endpoints} == {"vpc-0123456789abcdef0"}
        return {json.dumps(endpoint["ServiceName"]).rpartition("amazonaws")[2].strip('."]}') for endpoint in endpoints}

    assert len(services("defi-postgres")) == 4  # the image's; SQS and Secrets Manager are reached already
    assert len(services("defi-streams")) == 6  # and DynamoDB's, of tables and of streams


def test_commands_reach_the_streams_where_the_network_has_no_way_out(cloud: Path) -> None:
    """The door to DynamoDB Streams does not answer to the service's own name."""
    template = json.loads((cloud / "defi-streams.template.json").read_text(encoding="utf-8"))
    (name,) = (name for name in template["Resources"] if "Doordynamodbstreams" in name)
    assert template["Resources"][name]["Properties"]["PrivateDnsEnabled"] is False
    (task,) = resources(cloud, "defi-streams", "AWS::ECS::TaskDefinition")
    environment = {one["Name"]: one["Value"] for one in task["ContainerDefinitions"][0]["Environment"]}
    first = {"Fn::Select": [0, {"Fn::GetAtt": [name, "DnsEntries"]}]}  # like Z123:vpce-1.streams.dynamodb...
    host = {"Fn::Select": [1, {"Fn::Split": [":", first]}]}
    assert environment["AWS_ENDPOINT_URL_DYNAMODB_STREAMS"] == {"Fn::Join": ["", ["https://", host]]}


def test_a_queue_that_is_there_keeps_its_name_and_the_others_get_the_deployments(cloud: Path) -> None:
    made = {queue["QueueName"] for queue in resources(cloud, "defi-streams", "AWS::SQS::Queue") if "QueueName" in queue}
    assert made == {"defi-rtp-alerts.fifo", "defi-rtp-critical-dlq.fifo", "defi-rtp-failures"}
    template = json.loads((cloud / "defi-streams.template.json").read_text(encoding="utf-8"))
    assert json.loads(template["Outputs"]["Names"]["Value"])["rtp-critical.fifo"] == "pager.fifo"
