"""The DynamoDB tables whose streams feed the watches: those that are there, and all others made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import ContextProvider, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from core.errors import SettingsError
from infrastructure.accepted import accept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_kms as kms

    from core.settings.dynamodb import AttributePath
    from core.settings.models import Settings
    from core.settings.watches import Constant
    from infrastructure.plan import Plan

_READING = ("DescribeTable", "GetItem", "BatchGetItem", "Query", "Scan")
_READING_STREAMS = ("DescribeStream", "GetShardIterator", "GetRecords")


class Tables(Construct):
    """`all` has each table by its real name, with its stream."""

    def __init__(self, scope: Construct, name: str, plan: Plan, key: kms.IKey) -> None:
        super().__init__(scope, name)
        self._plan, self._key = plan, key
        self.all: Mapping[str, dynamodb.ITable] = {table: self._table(table) for table in plan.tables}

    @property
    def environment(self) -> dict[str, str]:
        """The environment that rtp needs: none, as the settings name the tables."""
        return {}

    def grant(self, to: iam.IRole) -> None:
        """Let rtp ask about the tables and their streams, and read both."""
        for name, table in self.all.items():
            if there := self._plan.table_there(name):
                indexes = f"{there.partition('/stream/')[0]}/index/*"
                accept(to, f"AwsSolutions-IAM5[Resource::{indexes}]", "Which indexes there are, nobody has told")
            table.grant(to, *(f"dynamodb:{action}" for action in _READING))
            table.grant_stream(to, *(f"dynamodb:{action}" for action in _READING_STREAMS))
        if self.all:
            # It takes no narrower resource.
            statement = iam.PolicyStatement(actions=["dynamodb:ListStreams"], resources=["*"])
            to.add_to_principal_policy(statement)
            accept(to, "AwsSolutions-IAM5[Resource::*]", "dynamodb:ListStreams takes no narrower resource")

    def _table(self, name: str) -> dynamodb.ITable:
        if arn := self._plan.table_there(name):
            table, _, stream = arn.partition("/stream/")
            return dynamodb.Table.from_table_attributes(
                self,
                f"There-{name}",
                table_arn=table,
                table_stream_arn=arn if stream else self._stream_of(name),
                grant_index_permissions=True,  # an entity's items may be found by one
            )
        watch = self._plan.tables[name][0]
        partition, sort = table_keys(self._plan.settings, watch)
        return dynamodb.Table(
            self,
            f"Table-{watch}",
            table_name=name,
            partition_key=dynamodb.Attribute(name=partition, type=dynamodb.AttributeType.STRING),
            sort_key=None if sort is None else dynamodb.Attribute(name=sort, type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=self._key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            # Kept, but not by a first deployment that failed: the table's name would be in the way of the second.
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )

    def _stream_of(self, name: str) -> str:
        """The stream of a table that is there: AWS tells the CDK's command line, which notes it in cdk.context.json."""
        found: Any = ContextProvider.get_value(
            self,
            provider="cc-api-provider",
            props={
                "typeName": "AWS::DynamoDB::Table",
                "exactIdentifier": name,
                "propertiesToReturn": ["StreamArn"],
            },
            dummy_value=[{"StreamArn": f"{self._plan.table_there(name)}/stream/not-asked-for-yet"}],
        ).value
        if not (stream := found[0].get("StreamArn")):
            raise SettingsError(f"table {name} has no stream", "Switch one on, with NEW_AND_OLD_IMAGES")
        return str(stream)


def table_keys(settings: Settings, watch: str) -> tuple[str, str | None]:
    """A table's partition and sort key: an item's entity, and in a history its time.

    Where both chain and entity are attributes, the entity spreads the load and the chain tells its items apart. A
    history has its time as the only sort key, so its chain must be a constant or part of the entity's name.
    """
    found, attributes = settings.watches[watch], settings.dynamodb.tables[watch].attributes
    columns = found.columns
    entity = _key(attributes.entity_of(found.kind), columns.entity)
    chain = _key(attributes.chain, columns.chain)
    if entity is None:
        raise SettingsError(
            f"dynamodb.tables.{watch}: the table cannot be made, as its entity is no attribute of an item",
            "Make the table, and name it under tables in the deployment file",
        )
    if found.is_history:
        return entity, _key(attributes.changed_at, columns.changed_at)
    return entity, chain


def _key(attribute: AttributePath | Constant | None, column: str | Constant | None) -> str | None:
    """The attribute that is a key; None for a constant or what is inside an attribute."""
    if isinstance(attribute, tuple):
        return attribute[0] if len(attribute) == 1 else None
    return column if isinstance(column, str) and attribute is None else None
