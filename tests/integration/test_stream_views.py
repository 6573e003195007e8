"""A stream must show both images of a change: it is asked at the start, and refused where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from core.errors import SettingsError
from core.handler.views import check_views
from core.settings.models import Settings
from tests.fed import create_table, fed_document, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from core.problem import Problem
    from core.stack import EmbeddedStack
    from tests.command import Command

OTHER_VIEWS = ("NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY")


def fed(cloud: EmbeddedStack, table: str, **dynamodb: Any) -> Settings:
    document = fed_document(cloud, table)
    document["dynamodb"] |= dynamodb
    return Settings.model_validate(document)


@pytest.mark.parametrize("view", OTHER_VIEWS)
def test_a_stream_of_another_view_type_is_refused(cloud: EmbeddedStack, dynamodb: DynamoDBClient, view: str) -> None:
    table = create_table(dynamodb, view_type=view)
    with pytest.raises(SettingsError, match=f"the stream of table {table} shows {view}, and rtp needs NEW_AND_OLD"):
        check_views(fed(cloud, table), print)


@pytest.mark.parametrize("is_there", [True, False], ids=["without a stream", "that is not there"])
def test_a_table_holds_up_no_other_function(cloud: EmbeddedStack, dynamodb: DynamoDBClient, is_there: bool) -> None:
    problems: list[Problem] = []
    table = create_table(dynamodb, view_type=None) if is_there else "not-there"
    check_views(fed(cloud, table), problems.append)
    (problem,) = problems
    assert problem.text.startswith(
        f"table {table} has no stream" if is_there else f"there is no DynamoDB table {table}"
    )


def test_a_stream_of_both_images_is_fine(cloud: EmbeddedStack, dynamodb: DynamoDBClient) -> None:
    problems: list[Problem] = []
    check_views(fed(cloud, create_table(dynamodb)), problems.append)
    assert problems == []


def test_where_the_tables_cannot_be_asked_that_is_said_once_and_the_records_are_believed(cloud: EmbeddedStack) -> None:
    problems: list[Problem] = []
    settings = fed(cloud, "tvl", endpoint_url="http://127.0.0.1:1")
    one = settings.dynamodb.tables["tvl"]
    tables = {"tvl": one, "more": one.model_copy(update={"table": "more"})}
    watches = {"tvl": settings.watches["tvl"], "more": settings.watches["tvl"]}
    dynamodb = settings.dynamodb.model_copy(update={"tables": tables})
    check_views(settings.model_copy(update={"watches": watches, "dynamodb": dynamodb}), problems.append)
    (problem,) = problems
    assert problem.text.startswith("whether the streams show both images is not known: DynamoDB at http://127.0.0.1:1")


def test_the_command_ends_with_one_line_whatever_other_tables_it_has(
    command: Command, cloud: EmbeddedStack, dynamodb: DynamoDBClient, tmp_path: Path
) -> None:
    table = create_table(dynamodb, view_type="NEW_IMAGE")
    document = fed_document(cloud, table)
    document["watches"]["fine"] = document["watches"]["tvl"] | {"table": "fine"}
    document["dynamodb"]["tables"]["fine"] = {"table": create_table(dynamodb)}
    config = write_config(tmp_path, document)
    done = command("run", "--source", "dynamodb", "--config", str(config), "--until-idle")
    assert done.code == 2
    assert f"the stream of table {table} shows NEW_IMAGE, and rtp needs NEW_AND_OLD_IMAGES" in done.err
