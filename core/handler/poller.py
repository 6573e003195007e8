"""Reading DynamoDB Streams without Lambda: each shard in order, parents before children, from where Redis says."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import redis
from botocore.exceptions import BotoCoreError, ClientError

from core.errors import ServiceUnavailable
from core.handler.attempts import Attempts, Part
from core.handler.description import describe_table, stream_with_both_images
from core.handler.figures import figures_of, is_notable
from core.handler.images import watched_tables
from core.handler.recollection import about_lost
from core.problem import Problem
from core.redis_names import checkpoint_key
from core.services.aws_words import aws_words
from core.trouble import Troubles
from rtp_client.attribute_json import as_in_stream
from rtp_client.backoff import Backoff
from rtp_client.redact import redact
from rtp_client.redis import redis_errors, redis_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_dynamodbstreams.type_defs import ShardTypeDef

    from core.emf import EmfLog
    from core.handler.alert_store import PendingAlerts
    from core.handler.batch import BatchProcessor
    from core.handler.outcome import BatchOutcome, Cause
    from core.settings.models import Settings

BATCH_RECORDS = 500
_FINISHED = "finished"
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
        return self.checkpoint == _FINISHED


@dataclass
class StreamPoller:
    """Reads the streams of every table that feeds a watch. A table or shard that fails stops no other. Not thread-safe.

    `pending_alerts` is how many waited for their queues at the last tick, `pending` the same by queue.
    `delivered` counts the events that Redis has, by kind, reason and severity.
    `emf` tells CloudWatch of batches and ticks.
    """

    settings: Settings
    processor: BatchProcessor
    dynamodb: DynamoDBClient
    streams: DynamoDBStreamsClient
    checkpoints: redis.Redis
    on_problem: Callable[[Problem], None]
    troubles: Troubles = field(default_factory=Troubles)
    emf: EmfLog | None = None
    records: int = 0
    events: int = 0
    dead_letters: int = 0
    pending_alerts: int = 0
    set_aside: Counter[Cause] = field(default_factory=Counter)
    pending: Sequence[PendingAlerts] = ()
    delivered: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _shards: dict[tuple[str, str], _Shard] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _listed: set[str] = field(default_factory=set)
    _rounds: int = 0

    def __post_init__(self) -> None:
        own = self.settings.run
        backoff = Backoff(own.retry_initial_seconds, own.retry_max_seconds)
        self._attempts = Attempts(backoff, self.troubles, self.on_problem)

    @property
    def is_waiting(self) -> bool:
        """Whether a table or a shard waits for a service that may come back."""
        return self._attempts.is_waiting

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
        outcome = self.processor.tick()
        self._note(outcome, records=None)
        self.pending = outcome.pending
        self.pending_alerts = sum(one.count for one in outcome.pending)
        if outcome.troubles:
            self.troubles.met(_ALERTS, "SQS", "; ".join(outcome.troubles))
        elif not outcome.pending and not outcome.unread:
            self.troubles.over(_ALERTS, "SQS")
            self._told.clear()

    def _parts(self) -> Iterator[Part]:
        """The tables whose shards are to be listed, then the shards that can be read, those just listed among them."""
        is_time = self._rounds % _ROUNDS_PER_LISTING == 0
        for table in watched_tables(self.settings):
            if is_time or table not in self._listed:
                yield Part(f"table {table}", partial(self._list_shards, table))
        for shard in list(self._shards.values()):
            parent = self._shards.get((shard.stream_arn, shard.parent or ""))
            if not shard.is_finished and (parent is None or parent.is_finished):
                yield Part(f"table {shard.table}, shard {shard.shard_id}", partial(self._read, shard))

    def _list_shards(self, table: str) -> int:
        self._listed.discard(table)
        stream_arn = stream_with_both_images(describe_table(self.dynamodb, table))
        saved = self._saved(stream_arn)
        for shard in self._described(stream_arn):
            key = (stream_arn, shard["ShardId"])
            if key not in self._shards:
                self._shards[key] = _Shard(
                    table, *key, parent=shard.get("ParentShardId"), checkpoint=saved.get(shard["ShardId"])
                )
        self._listed.add(table)
        return 0

    def _described(self, stream_arn: str) -> Iterator[ShardTypeDef]:
        last = ""
        while True:
            more: Any = {"ExclusiveStartShardId": last} if last else {}
            try:
                found = self.streams.describe_stream(StreamArn=stream_arn, **more)["StreamDescription"]
            except (BotoCoreError, ClientError) as error:
                raise self._unavailable(error) from error
            yield from found.get("Shards", [])
            last = found.get("LastEvaluatedShardId", "")
            if not last:
                return

    def _read(self, shard: _Shard) -> int:
        try:
            if shard.iterator is None:
                shard.iterator = self._iterator(shard)
            answer = self.streams.get_records(ShardIterator=shard.iterator, Limit=BATCH_RECORDS)
        except ClientError as error:
            shard.iterator = None
            if _code(error) == _TRIMMED:
                text = f"shard {shard.shard_id}: records older than 24 hours were gone before they were read"
                self.on_problem(Problem(text, "poller"))
                shard.checkpoint = None
                return 0
            if _code(error) == _EXPIRED:
                return 0
            if _code(error) == _GONE:
                text = f"table {shard.table}, shard {shard.shard_id}: the stream is gone, and what was not read of it"
                self.on_problem(Problem(text, "poller"))
                del self._shards[shard.stream_arn, shard.shard_id]
                self._listed.discard(shard.table)
                return 0
            raise self._unavailable(error) from error
        except BotoCoreError as error:
            raise self._unavailable(error) from error
        records = [as_in_lambda(record, shard.stream_arn) for record in answer["Records"]]
        done = self._process(shard, records)
        shard.lag_seconds = _age(records[-1]) if records else 0.0
        following: str | None = answer.get("NextShardIterator")
        shard.iterator = following
        if following is None:
            self._save(shard, _FINISHED)
        return done

    def _process(self, shard: _Shard, records: Sequence[Mapping[str, Any]]) -> int:
        """Process the records. Returns their number; raises SinkUnavailable where some must come again."""
        if not records:
            return 0
        outcome = self.processor.process(records, shard=shard.shard_id)
        self._note(outcome, records=len(records))
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        done = len(records) if outcome.failed is None else numbers.index(outcome.failed)
        if done:
            self._save(shard, numbers[done - 1])
        self.records += done
        if done < len(records):
            shard.iterator = None
            cause = "; ".join(outcome.causes) or "records failed"
            raise ServiceUnavailable("Records", f"shard {shard.shard_id}", cause, what="come again")
        return done

    def _note(self, outcome: BatchOutcome, *, records: int | None) -> None:
        if self.emf:
            self.emf.note(figures_of(outcome, records=records), at_once=is_notable(outcome))
        self.events += len(outcome.events)
        self.delivered.update((one.data.kind, one.data.reason, one.data.severity) for one in outcome.events)
        self.dead_letters += len(outcome.dead_letters)
        if lost := about_lost(outcome):
            self.on_problem(Problem(lost, "poller"))
        for unread in outcome.unread:
            if unread not in self._told:
                self.on_problem(Problem(unread, "poller"))
        self._told |= set(outcome.unread)
        for letter in outcome.dead_letters:
            self.on_problem(Problem(f"dead letter: {letter.reason}", "poller"))
        for trouble in outcome.troubles:
            if trouble not in self._told:
                self._told.add(trouble)
                self.on_problem(Problem(f"alerts or dead letters wait: {trouble}", "poller"))
        for cause in outcome.set_aside:
            # Of rows that go on coming like that, the counts tell.
            if cause not in self.set_aside and cause[1] != "late":
                self.on_problem(Problem(outcome.about_set_aside(cause), "poller"))
        self.set_aside += outcome.set_aside

    def _iterator(self, shard: _Shard) -> str:
        place: Any = {"ShardIteratorType": "TRIM_HORIZON"}
        if shard.checkpoint:
            place = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": shard.checkpoint}
        return self.streams.get_shard_iterator(StreamArn=shard.stream_arn, ShardId=shard.shard_id, **place)[
            "ShardIterator"
        ]

    def _saved(self, stream_arn: str) -> Mapping[str, str]:
        with redis_errors("the checkpoints"):
            found: Any = self.checkpoints.hgetall(checkpoint_key(stream_arn))
        return {name.decode(): value.decode() for name, value in found.items()}

    def _save(self, shard: _Shard, checkpoint: str) -> None:
        try:
            self.checkpoints.hset(checkpoint_key(shard.stream_arn), shard.shard_id, checkpoint)
        except redis.RedisError as error:
            shard.iterator = None
            raise redis_unavailable("the checkpoints", error) from error
        shard.checkpoint = checkpoint

    def _unavailable(self, error: Exception) -> ServiceUnavailable:
        return ServiceUnavailable("DynamoDB", redact(self.dynamodb.meta.endpoint_url), aws_words(error))


def as_in_lambda(record: Mapping[str, Any], stream_arn: str) -> dict[str, Any]:
    """A record of GetRecords as Lambda hands it over: with its stream's name, and in JSON's types."""
    return {**as_in_stream(record), "eventSourceARN": stream_arn}


def _age(record: Mapping[str, Any]) -> float:
    return max(0.0, time.time() - float(record["dynamodb"].get("ApproximateCreationDateTime", time.time())))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
