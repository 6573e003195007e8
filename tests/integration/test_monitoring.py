"""What a running rtp shows of itself: /metrics, /healthz, /readyz, and its line in the database."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from core.errors import SettingsError
from core.gateway.open_files import allow_open_files
from core.monitor.monitoring import Monitoring
from core.processor.build import build_pipeline
from core.settings.models import HttpSettings, Settings, postgres_dsn
from tests.command import Command
from tests.monitored import HASTY, Running, Start, eventually
from tests.tvl_table import write
from tests.watching import TVL, install

if TYPE_CHECKING:
    from core.stack import EmbeddedStack


# Metrics


def test_delivered_events_are_counted_by_kind_reason_and_severity(
    start: Start, settings: Settings, writer: psycopg.Connection
) -> None:
    running = start(settings)
    write(writer, 100, 200, 202)
    labels = {"kind": "tvl", "reason": "deviation"}
    for severity in ("critical", "info"):
        eventually(
            lambda severity=severity: (
                [  # type: ignore[misc]
                    running.metric("rtp_events_delivered_total", sink=sink, severity=severity, **labels)
                    for sink in ("redis", "sqs")
                ]
                == [1, 1]
            )
        )


@pytest.mark.parametrize("stage", ["detection", "processing", "delivery"])
def test_the_latency_of_each_stage_is_a_histogram(
    start: Start, settings: Settings, writer: psycopg.Connection, stage: str
) -> None:
    running = start(settings)
    write(writer, 100, 200, 400)
    eventually(lambda: running.metric("rtp_latency_seconds_count", sink="redis", stage=stage) == 2)
    seen = running.metrics()
    buckets = {
        float(dict(labels)["le"]): value
        for (name, labels), value in seen.items()
        if name == "rtp_latency_seconds_bucket" and {("sink", "redis"), ("stage", stage)} <= labels
    }
    counts = [buckets[bound] for bound in sorted(buckets)]
    assert counts == sorted(counts)
    assert counts[-1] == 2
    total = running.metric("rtp_latency_seconds_sum", sink="redis", stage=stage)
    assert total is not None
    assert 0 < total < 60


def test_batches_are_counted_by_their_size(start: Start, settings: Settings, writer: psycopg.Connection) -> None:
    write(writer, 100, 200, 400, 800)
    running = start(settings)
    eventually(lambda: running.metric("rtp_batch_events_sum", sink="redis") == 3)
    assert running.metric("rtp_batch_events_bucket", sink="redis", le="5") == 1
    assert running.metric("rtp_batch_events_bucket", sink="redis", le="2") == 0


def test_what_waits_for_a_sink_that_is_away_is_its_lag(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack
) -> None:
    running = start(settings)
    write(writer, 100, 200)
    eventually(lambda: running.metric("rtp_latency_seconds_count", sink="redis", stage="delivery") == 1)
    stack.redis.pause()
    try:
        write(writer, 400, 800)
        eventually(lambda: running.metric("rtp_sink_lag_events", sink="redis") == 2)
        eventually(lambda: (running.metric("rtp_sink_lag_seconds", sink="redis") or 0) > 0)
        eventually(lambda: (running.metric("rtp_sink_lag_bytes", sink="redis") or 0) > 0)
        eventually(lambda: (running.metric("rtp_retries_total", sink="redis") or 0) > 0)
        eventually(lambda: running.metric("rtp_sink_lag_events", sink="sqs") == 0)
    finally:
        stack.redis.resume()
    eventually(lambda: running.metric("rtp_sink_lag_events", sink="redis") == 0)


def test_what_the_triggers_did_is_told_from_the_database(
    start: Start, settings: Settings, writer: psycopg.Connection
) -> None:
    writer.execute(
        "INSERT INTO rtp.trigger_error (watch, operation, sqlstate, message, weight) VALUES ('tvl','','','',3)"
    )
    writer.execute(
        "INSERT INTO rtp.trigger_timing (watch, weight, rows, events, microseconds) VALUES (1, 100, 2, 1, 500)"
    )
    writer.execute(
        "INSERT INTO rtp.set_aside (watch, why, chain, entity, weight) VALUES"
        " (1, 'future', '', '', 2), (1, 'future', '', '', 3)"
    )
    running = start(settings)
    eventually(lambda: running.metric("rtp_trigger_errors_total", watch="tvl") == 3)
    assert running.metric("rtp_set_aside_total", watch="tvl", why="future") == 5
    assert running.metric("rtp_set_aside_total", watch="tvl", why="late") == 0
    assert running.metric("rtp_trigger_statements_last_hour", watch="tvl") == 100
    assert running.metric("rtp_trigger_rows_last_hour", watch="tvl") == 200
    assert running.metric("rtp_trigger_events_last_hour", watch="tvl") == 100
    assert running.metric("rtp_trigger_seconds_last_hour", watch="tvl") == pytest.approx(0.05)
    assert running.metric("rtp_trigger_longest_seconds_last_hour", watch="tvl") == pytest.approx(0.0005)
    for unit in ("", "_seconds", "_bytes"):
        assert running.metric(f"rtp_samples_waiting{unit}", watch="tvl") == 0
    assert running.metric("rtp_quarantined", watch="tvl") == 0
    assert running.metric("rtp_trigger_errors_total", watch="prices") == 0
    assert (running.metric("rtp_log_bytes") or 0) > 0
    assert (running.metric("rtp_sample_log_bytes") or 0) > 0


def test_a_scrape_asks_the_database_for_nothing(start: Start, settings: Settings, stack: EmbeddedStack) -> None:
    running = start(settings)
    eventually(lambda: running.metric("rtp_log_bytes"))
    stack.postgres.pause()
    try:
        started = time.monotonic()
        assert running.metric("rtp_log_bytes")
        assert time.monotonic() - started < 5  # the pause would last, and so would a question
    finally:
        stack.postgres.resume()


def test_the_process_tells_its_memory_and_its_version(start: Start, settings: Settings) -> None:
    seen = start(settings).metrics()
    names = {name for name, _ in seen}
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "rtp_build_info"} <= names


def test_prometheus_gets_the_format_that_it_asks_for(start: Start, settings: Settings) -> None:
    _, headers, body = start(settings).ask("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


# Probes


def test_a_running_rtp_is_healthy(start: Start, settings: Settings) -> None:
    status, headers, body = start(settings).ask("/healthz")
    assert (status, json.loads(body)) == (200, {"status": "ok", "dead_threads": []})
    assert headers["Content-Type"].startswith("application/json")


def test_a_thread_that_has_ended_makes_it_unhealthy(start: Start, settings: Settings) -> None:
    running = start(settings)
    delivery = running.pipeline.deliveries[0]
    delivery.request_stop()
    assert delivery.join(10)
    status, _, body = running.ask("/healthz")
    assert (status, json.loads(body)["dead_threads"]) == (503, [delivery.sink.name])


def test_it_is_ready_while_nothing_waits_even_if_nothing_moves(start: Start, settings: Settings) -> None:
    running = start(settings, stalled_after_seconds=0.01)
    eventually(lambda: running.pipeline.idle_seconds() > 0.2)
    assert running.ready() == (200, {"status": "ready", "role": "leader", "reasons": []})


def test_it_is_not_ready_while_a_sink_stands_still_with_work_and_ready_again_afterwards(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack
) -> None:
    write(writer, 100)
    running = start(settings, stalled_after_seconds=0.5)
    eventually(lambda: running.pipeline.idle_seconds() > 0)
    stack.redis.pause()
    try:
        write(writer, 200)
        # The other sink may have to have its turn first.
        eventually(lambda: [(r["reason"], r["subject"]) for r in running.reasons()] == [("stalled", "redis")])
        assert running.metric("rtp_ready") == 0
    finally:
        stack.redis.resume()
    eventually(lambda: running.ready()[0] == 200)
    assert running.metric("rtp_ready") == 1


def test_it_is_not_ready_while_samples_wait_and_none_is_judged(
    start: Start, settings: Settings, writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]
) -> None:
    install(writer, tvl=TVL | {"cooldown": "1h"})
    running = start(settings, stalled_after_seconds=0.5)
    eventually(lambda: running.pipeline.idle_seconds() > 0)
    hinderer = connect_again()
    with hinderer.transaction():
        hinderer.execute("LOCK rtp.baseline IN SHARE MODE")  # what is judged cannot be written down
        write(writer, 100)
        stalled = eventually(lambda: [r for r in running.reasons() if r["reason"] == "stalled"])
        assert [(r["subject"], r["detail"].partition(",")[0]) for r in stalled] == [("judge", "about 1 sample waits")]
    eventually(lambda: running.ready()[0] == 200)


def test_an_open_circuit_is_a_reason_and_a_metric(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack
) -> None:
    write(writer, 100)
    running = start(settings, breaker=HASTY)
    eventually(lambda: running.pipeline.idle_seconds() > 0)
    assert running.metric("rtp_circuit_state", service="Redis", state="closed") == 1
    stack.redis.pause()
    try:
        write(writer, 200)
        eventually(lambda: running.metric("rtp_circuit_state", service="Redis", state="open") == 1)
        assert (running.metric("rtp_circuit_opened_total", service="Redis") or 0) >= 1
        reason = running.reasons()[0]
        assert reason["subject"] == "Redis"
        assert reason["reason"] in ("circuit open", "circuit half-open")
    finally:
        stack.redis.resume()
    eventually(lambda: running.ready()[0] == 200)


def test_no_secret_is_shown_where_a_server_is_away(start: Start, installed: Settings) -> None:
    url = "redis://:sesame-open@127.0.0.1:1/0"
    redis_settings = installed.redis.model_copy(update={"url": url})
    running = start(installed.model_copy(update={"redis": redis_settings}), breaker=HASTY)
    assert "sesame-open" not in json.dumps(running.reasons())


# The server


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_head_answers_as_get_without_the_body(start: Start, settings: Settings, path: str) -> None:
    running = start(settings)
    eventually(lambda: running.ready()[0] == 200)
    status, headers, body = running.ask(path, "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../etc/passwd", "/healthz%00"])
def test_other_paths_are_not_found(start: Start, settings: Settings, path: str) -> None:
    assert start(settings).ask(path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_not_allowed(start: Start, settings: Settings, method: str) -> None:
    status, headers, _ = start(settings).ask("/metrics", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def _seconds_to_answer(running: Running) -> float:
    asked_at = time.monotonic()
    assert running.ask("/healthz")[0] == 200
    return time.monotonic() - asked_at


@pytest.mark.parametrize(
    "said",
    [b"", b"GET /healthz HT", b"GET /metrics HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\n\r\n"],
    ids=["nothing", "half a line", "no end", "all, and read nothing"],
)
def test_it_answers_within_a_second_while_600_clients_are_slow(start: Start, settings: Settings, said: bytes) -> None:
    assert allow_open_files(2 * 600) is None  # both ends of each connection are this process's
    running = start(settings)
    host, port = running.place.split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(600)]
    try:
        for client in slow:
            with suppress(OSError):  # the first have made room by now
                client.sendall(said)
        # The quickest of some: what is asked for is that no client holds up another, not that no other test does.
        assert min(_seconds_to_answer(running) for _ in range(4)) < 1
    finally:
        for client in slow:
            client.close()


def test_a_client_that_hangs_up_within_its_headers_has_asked_for_nothing(start: Start, settings: Settings) -> None:
    host, port = start(settings).place.split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: rtp\r\n")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100).startswith(b"HTTP/1.0 400 ")


def test_a_client_that_never_ends_its_request_is_hung_up_on(start: Start, settings: Settings) -> None:
    host, port = start(settings).place.split(":")
    with socket.create_connection((host, int(port))) as client:
        client.settimeout(10)
        client.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""


@pytest.mark.parametrize(
    "request_", [b"hello\r\n\r\n", b"GET /healthz\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200]
)
def test_what_is_no_request_is_told_so(start: Start, settings: Settings, request_: bytes) -> None:
    host, port = start(settings).place.split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(request_)
        assert client.recv(100).startswith(b"HTTP/1.0 400 Bad Request")


def test_a_port_that_is_taken_is_one_clear_line_and_exit_code_2(command: Command, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = f"127.0.0.1:{other.getsockname()[1]}"
        done = command(
            *("run", "--http", place, "--for", "1s"),
            environ={"RTP_POSTGRES_DSN": postgres_dsn(settings), "RTP_REDIS_URL": settings.redis.url or ""},
        )
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        f"http.listen: rtp cannot listen on {place}: Address already in use. Choose another port, or stop who has it"
    ]


@pytest.mark.parametrize("place", ["9464", "localhost", "127.0.0.1:99999", "127.0.0.1:x", "http://127.0.0.1:9464"])
def test_what_is_no_place_to_listen_at_is_refused(command: Command, place: str) -> None:
    done = command("run", "--http", place)
    assert done.code == 2
    assert done.err.startswith("option --http: must be host:port, e.g. 127.0.0.1:9464")


def test_it_listens_on_ipv6_too(installed: Settings, redis_url: str) -> None:
    settings = installed.model_copy(
        update={
            "redis": installed.redis.model_copy(update={"url": redis_url}),
            "http": HttpSettings(listen="[::1]:0"),
        }
    )
    pipeline = build_pipeline(settings, on_problem=lambda _: None)
    try:
        monitoring = Monitoring(settings, pipeline)
    except SettingsError as error:
        assert "annot assign requested address" in str(error) or "not supported" in str(error)
        return
    assert (monitoring.url or "").startswith("http://[::1]:")
    monitoring.stop()


# The line in the database, for rtp status


def test_rtp_status_shows_the_circuits_and_figures_of_the_running_process(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, command: Command
) -> None:
    write(writer, 100)
    running = start(settings, breaker=HASTY)
    eventually(lambda: running.pipeline.idle_seconds() > 0)
    eventually(lambda: writer.execute("SELECT FROM rtp.process").rowcount == 1)
    stack.redis.pause()
    try:
        write(writer, 200)

        def circuit() -> Any:
            (process,) = command("status", "--postgres-dsn", postgres_dsn(settings), "--json").document["processes"]
            return next(c for c in process["figures"]["circuits"] if c["service"] == "Redis")

        eventually(lambda: circuit()["state"] != "closed")
        shown = command("status", "--postgres-dsn", postgres_dsn(settings)).out
        assert "Redis at " in shown
        assert "parked" in shown
    finally:
        stack.redis.resume()
    eventually(lambda: circuit()["state"] == "closed")


def test_the_line_is_gone_when_the_process_has_ended(
    start: Start, settings: Settings, writer: psycopg.Connection
) -> None:
    running = start(settings)
    eventually(lambda: writer.execute("SELECT FROM rtp.process").rowcount == 1)
    running.pipeline.stop()
    running.monitoring.stop()
    assert writer.execute("SELECT FROM rtp.process").rowcount == 0


def test_a_process_that_ended_without_a_word_is_shown_as_silent(
    settings: Settings, writer: psycopg.Connection, command: Command
) -> None:
    writer.execute(
        "INSERT INTO rtp.process VALUES ('elsewhere', 7, now() - interval '1 h', now() - interval '5 min', '0', '{}')"
    )
    done = command("status", "--postgres-dsn", postgres_dsn(settings))
    assert "rtp on elsewhere (pid 7), last heard of 5 min ago" in done.out
