"""A real Redis Cluster: three masters and a replica on loopback, of the same program as the embedded Redis."""

from __future__ import annotations

import asyncio
import json
import subprocess
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import redis

from core.cache.readers import cache_options, cache_reader
from core.cache.refresh import CacheRefresh, Compared
from core.cache.stats import Ranked, read_stats
from core.errors import SettingsError
from core.handler.alert_store import AlertStore
from core.handler.baselines import BaselineMove, Baselines
from core.handler.memory import Memory
from core.kinds import SHIPPED
from core.notify.answer import Accepted
from core.processor.build import build_pipeline
from core.redis_names import baseline_key
from core.settings.models import postgres_dsn
from core.settings.notify import Audience
from core.sinks.redis import RedisSink
from core.stack.binaries import redis_program
from core.stack.ports import free_port
from rtp_client import CacheReader, Entry
from rtp_client.cache.source import DatabaseSource
from rtp_client.redis import redis_client
from rtp_client.stream.event_stream import EventStream
from tests.async_reader import async_cache_reader
from tests.eventually import eventually
from tests.samples import make_event
from tests.told import notifying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import psycopg

    from core.notify.alert import Alert
    from core.notify.answer import Answer
    from core.settings.models import Settings
    from tests.command import Done

_NODE = """
port {port}
bind 127.0.0.1
save ""
requirepass secret
masterauth secret
cluster-enabled yes
cluster-node-timeout 2000
cluster-port {bus}
dir {folder}
"""
MASTERS, REPLICA = (0, 1, 2), 3


class Cluster:
    """Masters for a third of the slots each, and a replica of the one that serves rtp's."""

    def __init__(self, folder: Path, at_the_end: ExitStack) -> None:
        self.nodes: list[Any] = []
        self._folder = folder
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.ports = [free_port() for _ in range(4)]
        buses = [free_port() for _ in range(4)]
        for number, (port, bus) in enumerate(zip(self.ports, buses, strict=True)):
            own = folder / str(number)
            own.mkdir()
            (own / "node.conf").write_text(_NODE.format(port=port, bus=bus, folder=own), encoding="ascii")
            self.start(number)
            at_the_end.callback(self.kill, number)
            self.nodes.append(at_the_end.enter_context(redis.Redis(port=port, password="secret")))
        eventually(lambda: all(map(_answers, self.nodes)))
        self._join(buses)

    def start(self, number: int) -> None:
        """Start a node, with what it knows of the others."""
        command = [redis_program(), self._folder / str(number) / "node.conf"]
        self._processes[number] = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def kill(self, number: int) -> None:
        """End a node like a crash."""
        self._processes[number].kill()
        self._processes[number].wait(10)

    def url(self, number: int) -> str:
        """The address, by way of one of the nodes."""
        return f"redis://:secret@127.0.0.1:{self.ports[number]}/0?cluster=true"

    @property
    def owner(self) -> int:
        """The number of the node that serves rtp's slot."""
        asked = next(node for node in self.nodes if _answers(node))
        slot, ranges = asked.execute_command("CLUSTER KEYSLOT", "{rtp}"), asked.execute_command("CLUSTER SLOTS")
        return self.ports.index(next(node[1] for start, end, node, *_ in ranges if start <= slot <= end))

    @property
    def other(self) -> int:
        """The number of a master that does not."""
        return next(number for number in MASTERS if number != self.owner)

    def _join(self, buses: list[int]) -> None:
        for number, first, last in zip(MASTERS, (0, 5461, 10923), (5460, 10922, 16383), strict=True):
            self.nodes[number].execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        for port, bus in zip(self.ports[1:], buses[1:], strict=True):
            self.nodes[0].execute_command("CLUSTER MEET", "127.0.0.1", port, bus)
        eventually(lambda: all(self._is_whole(node) for node in self.nodes))
        self.nodes[REPLICA].execute_command("CLUSTER REPLICATE", self.nodes[self.owner].execute_command("CLUSTER MYID"))
        eventually(lambda: self.follows(REPLICA))

    def follows(self, number: int) -> bool:
        """Whether a node is a replica that has all that its master has."""
        link: Any = self.nodes[number].info("replication").get("master_link_status")
        return bool(link == "up")

    @staticmethod
    def _is_whole(node: Any) -> bool:
        told = node.execute_command("CLUSTER INFO")
        return (told["cluster_state"], told["cluster_known_nodes"]) == ("ok", "4")


def _answers(node: redis.Redis) -> bool:
    try:
        return bool(node.ping())
    except redis.ConnectionError:
        return False


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ExitStack() as at_the_end:
        yield Cluster(tmp_path_factory.mktemp("cluster"), at_the_end)


@pytest.fixture
def cluster(running: Cluster) -> Cluster:
    """The cluster, empty."""
    running.nodes[running.owner].flushall()
    return running


@pytest.fixture
def clustered(cluster: Cluster, settings: Settings) -> Settings:
    """The test's settings with the cluster, by way of a node that does not serve rtp's keys."""
    return at(settings, cluster.url(cluster.other))


def at(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": url})})


@pytest.fixture
def sink(clustered: Settings) -> Iterator[RedisSink]:
    with closing(RedisSink(clustered.redis, url=clustered.redis.url or "", poll_interval_seconds=0.001)) as made:
        yield made


def entry(reader: CacheReader, name: str = "lido") -> Entry:
    found = reader.get("tvl", "ethereum", name)
    assert found is not None
    return found


def test_events_of_many_entities_are_delivered_and_read(clustered: Settings, sink: RedisSink) -> None:
    names = [f"p{number}" for number in range(1, 101)]
    sink.deliver([make_event(number, name) for number, name in enumerate(names, 1)])
    with cache_reader(clustered, timeout_seconds=10) as reader:
        found = reader.get_many("tvl", [("ethereum", name) for name in names])
    assert [(each.sequence, each.source) for each in found.values() if each] == [(n, "cache") for n in range(1, 101)]


def test_asyncio_reads_and_fills_them(clustered: Settings, sink: RedisSink, writer: psycopg.Connection) -> None:
    writer.execute("INSERT INTO tvl VALUES ('ethereum', 'aave', 5, 'llama')")
    sink.deliver([make_event(7)])

    async def read() -> list[Any]:
        async with async_cache_reader(clustered, timeout_seconds=10) as reader:
            return [await reader.get("tvl", "ethereum", name) for name in ("lido", "aave", "aave")]

    found = asyncio.run(read())
    assert [(each.value, each.source) for each in found] == [("102.50", "cache"), ("5", "database"), ("5", "cache")]


def test_all_keys_are_in_one_slot(cluster: Cluster, clustered: Settings, sink: RedisSink) -> None:
    sink.deliver([make_event(1, "lido"), make_event(2, "aave")])
    with cache_reader(clustered, timeout_seconds=10) as reader:
        entry(reader)
    held = [sorted(node.keys()) for node in (cluster.nodes[number] for number in MASTERS)]
    assert [keys for number, keys in zip(MASTERS, held, strict=True) if number != cluster.owner] == [[], []]
    assert {b"{rtp}:cache:tvl:ethereum:aave", b"{rtp}:cache-total", b"{rtp}:stream"} <= set(held[cluster.owner])


def test_who_hears_of_an_event_on_any_node_finds_it(cluster: Cluster, clustered: Settings, sink: RedisSink) -> None:
    with cache_reader(clustered, timeout_seconds=10) as reader:
        for number in MASTERS:
            # Its own, as a node may hear late of what another one was told before.
            name = f"heard-{number}"
            with cluster.nodes[number].pubsub(ignore_subscribe_messages=True) as subscription:
                subscription.psubscribe(f"rtp:events:tvl:*:{name}")
                subscription.get_message(timeout=10)
                sink.deliver([make_event(number + 1, name)])
                message = eventually(partial(subscription.get_message, timeout=1))
            assert message["channel"] == f"rtp:events:tvl:ethereum:{name}".encode()
            assert int(json.loads(message["data"])["sequence"]) == number + 1
            assert entry(reader, name).sequence == number + 1


def test_the_stream_is_followed(clustered: Settings, sink: RedisSink) -> None:
    sink.deliver([make_event(7)])
    with EventStream(clustered.redis.url or "") as stream:
        assert next(stream.follow(0)).event.sequence == "00000000000000000007"


def test_values_are_compared_with_the_table(clustered: Settings, sink: RedisSink, writer: psycopg.Connection) -> None:
    writer.execute("INSERT INTO tvl VALUES ('ethereum', 'lido', 102.51, 'llama')")
    sink.deliver([make_event(7)])
    source = DatabaseSource(postgres_dsn(clustered), cache_options(clustered))
    with closing(CacheRefresh(clustered.redis.url or "", source, timeout_seconds=5)) as refresh:
        assert refresh.compare("tvl") == Compared(1, 1)


def test_reads_are_counted(clustered: Settings, sink: RedisSink) -> None:
    sink.deliver([make_event(7)])
    with cache_reader(clustered, timeout_seconds=10) as reader:
        entry(reader)
    with redis_client(clustered.redis.url or "") as client:
        stats = read_stats(client, SHIPPED)
    assert (stats.kinds[0].keys, stats.kinds[0].reads["total"].hits) == (1, 1)
    assert stats.hottest == [Ranked("{rtp}:cache:tvl:ethereum:lido", 1)]


def test_a_stream_sources_alerts_wait_until_their_queue_has_them(clustered: Settings) -> None:
    key, url = baseline_key("tvl", "ethereum", "lido"), clustered.redis.url or ""
    with redis_client(url) as client, closing(Baselines(clustered.redis, url=url)) as baselines:
        store, events = AlertStore(client, ""), [make_event(1), make_event(2)]
        due = datetime(2024, 3, 19, tzinfo=UTC)
        move = BaselineMove(key, Memory(), Memory(1), events, due, alerts={"alerts.fifo": [0, 1]})
        assert baselines.commit([move], at=due) == [True]
        (memory,) = baselines.load([key])
        assert (memory.version, memory.unsent, baselines.keys_of("tvl", "lido")) == (1, 2, baselines.due(due, 10))
        # By the name that a batch knows it by, and by that which a tick finds.
        store.acknowledge("alerts.fifo", {key: events[0].sequence})
        (found,) = store.waiting("alerts.fifo", datetime.now(UTC), most=10)
        for name in (key, found):
            assert list(store.oldest("alerts.fifo", [name], of_each=10).values()) == [[events[1]]]
        store.acknowledge("alerts.fifo", {found: events[1].sequence})
        assert store.pending() == []


def test_people_are_told_from_the_stream(cluster: Cluster, clustered: Settings, sink: RedisSink) -> None:
    told: list[str] = []

    def tell(alerts: Sequence[Alert]) -> Answer:
        told.extend(alert.event.id for alert in alerts)
        return Accepted()

    desk = Audience.model_validate({"name": "desk", "to": "json://desk"})
    people = clustered.model_copy(update={"notify": (desk,)})
    with notifying(people, {"desk/1": tell}, source="stream") as notifier:
        eventually(lambda: notifier.state().held and cluster.nodes[cluster.owner].exists("{rtp}:stream"))
        events = [make_event(number, f"p{number % 7}") for number in range(1, 21)]
        sink.deliver(events)
        eventually(lambda: len(told) == len(events))
        assert notifier.former_destinations() == {}
    assert sorted(told) == sorted(event.id for event in events)


def test_copies_in_the_process_are_refused(clustered: Settings) -> None:
    with pytest.raises(SettingsError, match="cluster"):
        cache_reader(clustered, local_entries=10)


def test_validate_tells_a_cluster_that_is_not_named_as_one(validate: Callable[..., Done], cluster: Cluster) -> None:
    named = cluster.url(cluster.owner)
    warned = {
        url: any("Redis Cluster" in line for line in validate("--json", "--redis-url", url).document["warnings"])
        for url in (named, named.removesuffix("?cluster=true"))
    }
    assert list(warned.values()) == [False, True]


def test_rtp_delivers_and_its_readers_read_while_the_slot_changes_hands(
    cluster: Cluster, clustered: Settings, writer: psycopg.Connection
) -> None:
    writer.execute("INSERT INTO tvl VALUES ('ethereum', 'lido', 100, 'llama')")
    pipeline = build_pipeline(clustered, on_problem=lambda _: None)
    pipeline.start()
    try:
        with cache_reader(clustered, timeout_seconds=10) as reader:
            former = cluster.owner
            _write(writer, reader, "200")
            cluster.nodes[REPLICA].execute_command("CLUSTER FAILOVER")
            eventually(lambda: cluster.owner != former)
            _write(writer, reader, "300")
            cluster.nodes[former].execute_command("CLUSTER FAILOVER")
            eventually(lambda: cluster.owner == former)
            _write(writer, reader, "400")
    finally:
        assert pipeline.stop()


def test_a_node_that_dies_is_replaced_even_if_it_is_the_one_that_the_address_names(
    cluster: Cluster, settings: Settings, writer: psycopg.Connection
) -> None:
    writer.execute("INSERT INTO tvl VALUES ('ethereum', 'lido', 100, 'llama')")
    former = cluster.owner
    clustered = at(settings, cluster.url(former))
    pipeline = build_pipeline(clustered, on_problem=lambda _: None)
    pipeline.start()
    try:
        with cache_reader(clustered, timeout_seconds=10) as reader:
            _write(writer, reader, "200")
            cluster.kill(former)
            _write(writer, reader, "300")
            assert cluster.owner == REPLICA
    finally:
        assert pipeline.stop()
        cluster.start(former)
    eventually(lambda: _answers(cluster.nodes[former]) and cluster.follows(former))
    cluster.nodes[former].execute_command("CLUSTER FAILOVER")
    eventually(lambda: cluster.owner == former)


def _write(writer: psycopg.Connection, reader: CacheReader, tvl: str) -> None:
    writer.execute("UPDATE tvl SET tvl_usd = %s", [tvl])
    eventually(lambda: (entry(reader).value, entry(reader).source) == (tvl, "cache") and entry(reader).sequence)
