"""The simulated event source mapping keeps the rules that AWS documents, each with a function that only notes."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from loadtests.benchmarks.handler.mapping import EventSourceMapping, Killed, SimulatedClock
from loadtests.benchmarks.handler.mapping_parameters import MappingParameters, read_parameters
from tests.dynamodb import NOON, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

START = NOON.timestamp()
UNLIMITED: dict[str, Any] = {"reports_failures": True}
Answer = dict[str, Any] | None


class Function:
    """Notes what it is invoked with. `answer` gets the batch's values, and the number of the invocation."""

    def __init__(self, answer: Callable[[list[str], int], Answer] = lambda _values, _number: None) -> None:
        self.batches: list[list[str]] = []
        self.ticks = 0
        self._answer = answer

    def __call__(self, event: dict[str, Any]) -> Answer:
        if "Records" not in event:
            self.ticks += 1
            return None
        values = [record["dynamodb"]["NewImage"]["value"]["S"] for record in event["Records"]]
        self.batches.append(values)
        return self._answer(values, len(self.batches)) or {"batchItemFailures": []}


def records(count: int, *, items: int = 1, seconds_apart: float = 0) -> list[dict[str, Any]]:
    """Records of items that take turns; each record's value is its number."""
    table = Table("some", ("id",))
    for number in range(count):
        table.put(id=str(number % items), value=str(number))
    for number, record in enumerate(table.records):
        record["dynamodb"]["ApproximateCreationDateTime"] = START + number * seconds_apart
    return table.records


def mapping(function: Function, on_failure: Callable[[Any], object] = print, **parameters: Any) -> EventSourceMapping:
    made = MappingParameters(**parameters)
    return EventSourceMapping(made, function, SimulatedClock(START), Random(1), on_failure=on_failure)


def failing(found: Sequence[dict[str, Any]], value: str) -> dict[str, Any]:
    """The answer of a function for which this value's record failed."""
    return {"batchItemFailures": [{"itemIdentifier": number(found, value)}]}


def number(found: Sequence[dict[str, Any]], value: str) -> str:
    return str(found[int(value)]["dynamodb"]["SequenceNumber"])


def test_batches_are_full_and_in_the_streams_order() -> None:
    function = Function()
    mapping(function, batch_records=2).run(records(5))
    assert function.batches == [["0", "1"], ["2", "3"], ["4"]]


def test_a_window_gathers_what_arrives_within_it() -> None:
    function = Function()
    mapping(function, window_seconds=5).run(records(6, seconds_apart=2))
    assert function.batches == [["0", "1", "2"], ["3", "4", "5"]]


def test_with_a_factor_an_items_records_stay_in_order_and_two_items_do_not() -> None:
    function = Function()
    mapping(function, factor=10, batch_records=1).run(records(60, items=6))
    came = [int(value) for batch in function.batches for value in batch]
    assert came != sorted(came)
    for item in range(6):
        assert [value for value in came if value % 6 == item] == list(range(item, 60, 6))


def test_what_comes_again_begins_with_the_lowest_number_that_failed() -> None:
    stream = records(4)
    failures = [{"itemIdentifier": number(stream, value)} for value in ("3", "1")]
    function = Function(lambda _, time: {"batchItemFailures": failures} if time == 1 else None)
    mapping(function, **UNLIMITED).run(stream)
    assert function.batches == [["0", "1", "2", "3"], ["1", "2", "3"]]


@pytest.mark.parametrize("name", ["", None, "another's"])
def test_an_answer_that_names_no_record_of_the_batch_fails_all_of_it(name: str | None) -> None:
    answer = {"batchItemFailures": [{"itemIdentifier": name}]}
    function = Function(lambda _, time: answer if time == 1 else None)
    mapping(function, **UNLIMITED).run(records(2))
    assert function.batches == [["0", "1"]] * 2


def test_failures_are_not_heard_where_the_mapping_does_not_ask_for_them() -> None:
    stream = records(2)
    function = Function(lambda _values, _number: failing(stream, "0"))
    mapping(function).run(stream)
    assert function.batches == [["0", "1"]]


def test_a_process_that_ends_fails_the_whole_batch() -> None:
    def answer(_: list[str], time: int) -> Answer:
        if time == 1:
            raise Killed
        return None

    function = Function(answer)
    mapping(function, **UNLIMITED).run(records(2))
    assert function.batches == [["0", "1"]] * 2


def refusing(poison: str) -> Callable[[list[str], int], Answer]:
    def answer(values: list[str], _: int) -> Answer:
        if poison in values:
            raise ValueError(poison)
        return None

    return answer


def test_bisecting_finds_the_record_that_fails_and_costs_no_retry() -> None:
    function, letters = Function(refusing("2")), list[Any]()
    mapping(function, letters.append, bisects=True, most_retries=1).run(records(4))
    assert function.batches == [["0", "1", "2", "3"], ["0", "1"], ["2", "3"], ["2"], ["2"], ["3"]]
    assert [letter["DDBStreamBatchInfo"]["batchSize"] for letter in letters] == [1]


def test_bisecting_splits_no_batch_whose_failure_is_reported() -> None:
    stream = records(2)
    function = Function(lambda _, time: failing(stream, "0") if time == 1 else None)
    mapping(function, bisects=True, **UNLIMITED).run(stream)
    assert function.batches == [["0", "1"]] * 2


def test_a_batch_that_is_given_up_is_described_and_the_next_one_follows() -> None:
    stream, letters = records(4), list[Any]()
    function = Function(refusing("1"))
    mapping(function, letters.append, batch_records=2, most_retries=2).run(stream)
    assert function.batches == [["0", "1"]] * 3 + [["2", "3"]]
    (letter,) = letters
    assert letter["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert letter["requestContext"]["approximateInvokeCount"] == 3
    assert letter["DDBStreamBatchInfo"] == {
        "shardId": "shardId-00000000000000000000-00000000",
        "startSequenceNumber": number(stream, "0"),
        "endSequenceNumber": number(stream, "1"),
        "approximateArrivalOfFirstRecord": "2024-03-19T12:00:00Z",
        "approximateArrivalOfLastRecord": "2024-03-19T12:00:00Z",
        "batchSize": 2,
        "streamArn": stream[0]["eventSourceARN"],
    }


def test_without_a_limit_a_batch_is_tried_until_it_is_too_old() -> None:
    letters = list[Any]()
    function = Function(refusing("0"))
    mapping(function, letters.append, oldest_seconds=3600).run([*records(1)])
    assert len(function.batches) > 60
    assert [letter["requestContext"]["condition"] for letter in letters] == ["RecordAgeExceeded"]


def test_without_a_limit_of_age_the_stream_drops_records_after_a_day() -> None:
    letters, function = list[Any](), Function(refusing("0"))
    made = mapping(function, letters.append)
    made.run(records(1))
    assert (len(made.expired), letters) == (1, [])


def test_what_no_filter_wants_invokes_nothing() -> None:
    function = Function()
    mapping(function, patterns=['{"dynamodb": {"NewImage": {"value": {"S": ["1"]}}}}']).run(records(3))
    assert function.batches == [["1"]]


def test_a_batch_may_come_again_although_it_is_done() -> None:
    function = Function()
    made = mapping(function, batch_records=1)
    made.repeated = 0.5
    made.run(records(20))
    came = [int(value) for batch in function.batches for value in batch]
    assert len(came) > 20
    assert came == sorted(came)


def test_time_goes_on_and_each_minute_has_its_tick() -> None:
    function = Function()
    made = mapping(function)
    made.run(records(3, seconds_apart=60), seconds_more=180)
    assert function.ticks == 5
    assert made.clock.seconds == pytest.approx(START + 300, abs=1)


def test_a_templates_properties_are_read() -> None:
    properties = {
        **{"BatchSize": 7, "MaximumBatchingWindowInSeconds": 2, "ParallelizationFactor": 3},
        **{"MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": 600, "BisectBatchOnFunctionError": True},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "FilterCriteria": {"Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]},
    }
    assert read_parameters(properties) == MappingParameters(
        7, 2, 3, None, 600, bisects=True, reports_failures=True, patterns=('{"eventName": ["INSERT"]}',)
    )
