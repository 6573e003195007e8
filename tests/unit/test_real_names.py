"""What queues and tables are really called, where a deployment gives them names of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from core.errors import SettingsError
from core.sinks.settings import load_settings
from core.sinks.sqs.queues import sqs_destinations
from tests.default_document import default_document

if TYPE_CHECKING:
    from pathlib import Path

    from core.settings.models import Settings


def loaded(folder: Path, names: str) -> Settings:
    document = default_document()
    document["sqs"] = {"queue": "alerts.fifo", "dead_letter_queue": "alerts-dlq.fifo"}
    document["routes"] = [{"match": {"kind": "tvl"}, "queue": "tvl.fifo", "dead_letter_queue": "tvl-dlq.fifo"}]
    document["dynamodb"] = {"tables": {"tvl": {"table": "tvl"}}, "dead_letter_queue": "failures"}
    path = folder / "rtp.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_settings(path, environ={"RTP_NAMES": names}, options={})


def test_each_queue_and_table_gets_its_real_name_and_others_keep_theirs(tmp_path: Path) -> None:
    names = ("alerts.fifo", "alerts-dlq.fifo", "tvl.fifo", "tvl", "failures")
    settings = loaded(tmp_path, json.dumps({name: f"staging-{name}" for name in names}))
    assert [(one.queue, one.dead_letter_queue) for one in sqs_destinations(settings)] == [
        ("staging-alerts.fifo", "staging-alerts-dlq.fifo"),
        ("staging-tvl.fifo", "tvl-dlq.fifo"),
    ]
    assert settings.dynamodb.tables["tvl"].table == "staging-tvl"
    assert settings.dynamodb.dead_letter_queue == "staging-failures"


@pytest.mark.parametrize("names", ["staging-", "[]", '{"tvl": 1}', '{"tvl": ""}'])
def test_names_of_another_form_are_refused(tmp_path: Path, names: str) -> None:
    with pytest.raises(SettingsError, match="environment RTP_NAMES: must be a JSON object of names"):
        loaded(tmp_path, names)
