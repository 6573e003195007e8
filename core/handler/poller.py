"""Reading DynamoDB Streams without Lambda: each shard in order, parents before children, from where Redis says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from core.errors import ServiceUnavailable
from core.handler.attempts import Attempts, Part
from core.handler.checkpoints import FINISHED, Checkpoints
from core.handler.description import (
    describe_shards,
    describe_table,
    dynamodb_errors,
    shard_iterator,
    stream_with_both_images,
)
from core.handler.images import watched_tables
from core.handler.tally import StreamTally
from core.problem import Problem
from core.services.aws_words import code_of
from core.sinks.sqs.queues import sqs_destinations
from core.trouble import Troubles
from rtp_client.attribute_json import as_in_stream
from rtp_client.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import redis
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

    from core.emf import EmfLog
    from core.handler.batch import BatchProcessor
    from core.handler.outcome import BatchOutcome
    from core.settings.models import Settings

BATCH_RECORDS = 500
_ROUNDS_PER_LISTING = 25
_ALERTS = "alerts"
_EXPIRED, _TRIMMED = "ExpiredIteratorException", "TrimmedDataAccessException"
_GONE = "ResourceNotFoundException"


@dataclass
class _Shard:
    """A shard that is being read. Where `iterator` is None, reading goes on behind `checkpoint`."""

    table: str
    stream_arn: str
    shard_id: str
    parent: str | None
    checkpoint: str | None
    iterator: str | None = None
    lag_seconds: float = 0.0

    @property
    def is_finished(self) -> bool:
        return self.checkpoint == FINISHED

    @property
    def name(self) -> str:
        """As problems and troubles name it."""
        return f"table {self.table}, shard {self.shard_id}"


class StreamPoller:
    """Reads the streams of every table that feeds a watch. A table or shard that fails stops no other. Not thread-safe.

    Others may read its `troubles`, its `tally` and `lags`.
    """

    def __init__(
        self,
        settings: Settings,
        processor: BatchProcessor,
        dynamodb: DynamoDBClient,
        streams: DynamoDBStreamsClient,
        client: redis.Redis,
        on_problem: Callable[[Problem], None],
        *,
        emf: EmfLog | None = None,
    ) -> None:
        self.settings = settings
        self.dynamodb = dynamodb
        self.troubles = Troubles()
        self.tally = StreamTally(on_problem, emf)
        self._queues = {one.queue for one in sqs_destinations(settings)}
        self._processor = processor
        self._streams = streams
        self._checkpoints = Checkpoints(client)
        self._on_problem = on_problem
        backoff = Backoff(settings.run.retry_initial_seconds, settings.run.retry_max_seconds)
        self._attempts = Attempts(backoff, self.troubles, on_problem)
        self._shards: dict[tuple[str, str], _Shard] = {}
        self._listed: set[str] = set()
        self._rounds = 0

    @property
    def is_waiting(self) -> bool:
        """Whether a table or a shard waits for a service that may come back."""
        return self._attempts.is_waiting

    @property
    def left(self) -> tuple[int, int, bool]:
        """What waited at the last tick: alerts of queues that are named, entities with samples, and dead letters."""
        alerts = sum(one.alerts for one in self.tally.pending if one.queue in self._queues)
        return alerts, self.tally.samples_wait, self.tally.letters_wait

    @property
    def never_read(self) -> set[str]:
        """The parts, as troubles name them, that cannot be read now and never were."""
        return self._attempts.never_worked

    def poll(self) -> int:
        """Read once from each shard whose parent is finished. Returns how many records were processed.

        Raises ServiceUnavailable, or SettingsError, where nothing can be read at all; the next call goes on where this
        one ended.
        """
        done = self._attempts.run(self._parts())
        self._rounds += 1
        return done

    def lags(self) -> dict[str, float]:
        """How old the newest record of each table's stream was when it was done; 0 where all were read."""
        lags: dict[str, float] = {}
        for shard in list(self._shards.values()):
            lags[shard.table] = max(lags.get(shard.table, 0.0), shard.lag_seconds)
        return lags

    def tick(self) -> None:
        """Judge what time alone brings about, and send what waits. Raises ServiceUnavailable."""
        outcome = self._processor.tick()
        self.tally.note_tick(outcome)
        self._note_troubles(outcome)
        if not (outcome.troubles or outcome.pending or outcome.letters_wait):
            self.troubles.over(_ALERTS, "SQS")

    def _note_troubles(self, outcome: BatchOutcome) -> None:
        if outcome.troubles:
            self.troubles.met(_ALERTS, "SQS", "; ".join(outcome.troubles))

    def _parts(self) -> Iterator[Part]:
        """The tables whose shards are to be listed, then the shards that can be read, those just listed among them."""
        is_time = self._rounds % _ROUNDS_PER_LISTING == 0
        for table in watched_tables(self.settings):
            if is_time or table not in self._listed:
                yield Part(f"table {table}", partial(self._list_shards, table))
        for shard in list(self._shards.values()):
            parent = self._shards.get((shard.stream_arn, shard.parent or ""))
            if not shard.is_finished and (parent is None or parent.is_finished):
                yield Part(shard.name, partial(self._read, shard))

    def _list_shards(self, table: str) -> int:
        self._listed.discard(table)
        stream_arn = stream_with_both_images(describe_table(self.dynamodb, table))
        shards, saved = describe_shards(self._streams, stream_arn), self._checkpoints.read(stream_arn)
        for shard in shards:
            key = (stream_arn, shard.shard_id)
            known = self._shards.setdefault(
                key, _Shard(table, *key, parent=shard.parent, checkpoint=saved.get(shard.shard_id))
            )
            if known.checkpoint is not None and shard.shard_id not in saved:  # Redis has lost its memory
                self._save(known, known.checkpoint)
        self._forget_gone(table, stream_arn, saved, {shard.shard_id for shard in shards})
        self._listed.add(table)
        return 0

    def _forget_gone(self, table: str, stream_arn: str, saved: Mapping[str, str], there: Collection[str]) -> None:
        """Streams lose shards, and get others, all the time. One that is still being read tells of its end itself."""
        reading = {name for (arn, name), one in self._shards.items() if arn == stream_arn and not one.is_finished}
        gone = saved.keys() - there - reading
        for shard_id in gone:
            self._shards.pop((stream_arn, shard_id), None)
            if saved[shard_id] != FINISHED:
                text = f"table {table}, shard {shard_id}: it is gone, and was not read to its end"
                self._on_problem(Problem(text, "poller"))
        self._checkpoints.keep_only(stream_arn, gone)

    def _read(self, shard: _Shard) -> int:
        with dynamodb_errors(self._streams, "GetRecords", shard.stream_arn):
            try:
                if shard.iterator is None:
                    shard.iterator = self._iterator(shard)
                answer = self._streams.get_records(ShardIterator=shard.iterator, Limit=BATCH_RECORDS)
            except ClientError as error:
                shard.iterator = None
                if not self._goes_on(shard, code_of(error)):
                    raise
                return 0
        records = [as_in_lambda(record, shard.stream_arn) for record in answer["Records"]]
        done = self._process(shard, records)
        shard.lag_seconds = _age(records[-1]) if records else 0.0
        following: str | None = answer.get("NextShardIterator")
        shard.iterator = following
        if following is None:
            self._save(shard, FINISHED)
        return done

    def _goes_on(self, shard: _Shard, refusal: str) -> bool:
        """Whether the next try can do better, as what was to be read is gone, or only the way to it."""
        if refusal == _TRIMMED:
            text = f"shard {shard.shard_id}: records older than 24 hours were gone before they were read"
            self._on_problem(Problem(text, "poller"))
            shard.checkpoint = None
        elif refusal == _GONE:
            text = f"{shard.name}: the stream is gone, and what was not read of it"
            self._on_problem(Problem(text, "poller"))
            del self._shards[shard.stream_arn, shard.shard_id]
            self._listed.discard(shard.table)
        return refusal in (_TRIMMED, _GONE, _EXPIRED)

    def _process(self, shard: _Shard, records: Sequence[Mapping[str, Any]]) -> int:
        """Process the records. Returns their number; raises SinkUnavailable where some must come again."""
        if not records:
            return 0
        outcome = self._processor.process(records, shard=shard.shard_id)
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        done = len(records) if outcome.failed is None else numbers.index(outcome.failed)
        self.tally.note_batch(outcome, len(records), done)
        self._note_troubles(outcome)
        if done:
            self._save(shard, numbers[done - 1])
        if done < len(records):
            shard.iterator = None
            cause = "; ".join(outcome.causes) or "records failed"
            raise ServiceUnavailable("Records", f"shard {shard.shard_id}", cause, what="come again")
        return done

    def _iterator(self, shard: _Shard) -> str:
        if shard.checkpoint:
            return shard_iterator(
                self._streams, shard.stream_arn, shard.shard_id, "AFTER_SEQUENCE_NUMBER", shard.checkpoint
            )
        return shard_iterator(self._streams, shard.stream_arn, shard.shard_id, "TRIM_HORIZON")

    def _save(self, shard: _Shard, checkpoint: str) -> None:
        try:
            self._checkpoints.save(shard.stream_arn, shard.shard_id, checkpoint)
        except ServiceUnavailable:
            shard.iterator = None
            raise
        shard.checkpoint = checkpoint


def as_in_lambda(record: Mapping[str, Any], stream_arn: str) -> dict[str, Any]:
    """A record of GetRecords as Lambda hands it over: with its stream's name, and in JSON's types."""
    return {**as_in_stream(record), "eventSourceARN": stream_arn}


def _age(record: Mapping[str, Any]) -> float:
    return max(0.0, time.time() - float(record["dynamodb"].get("ApproximateCreationDateTime", time.time())))
