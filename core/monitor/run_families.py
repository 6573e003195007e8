"""The metrics of `rtp run`, in the order in which its collector gives their values."""

from __future__ import annotations

from core.monitor.families import counter, gauge, histogram

BUILD_INFO = gauge("rtp_build_info", "The rtp that runs.", "version")
READY = gauge("rtp_ready", "1 where /readyz answers 200.")
ASLEEP = gauge("rtp_asleep", "1 while rtp waits for a notification instead of polling.")
LEADER = gauge("rtp_leader", "1 where this rtp leads, 0 where it stands by.")
LEADER_EPOCH = gauge("rtp_leader_epoch", "The newest epoch that this rtp knows of.")

TROUBLE_SECONDS = gauge(
    "rtp_trouble_seconds",
    "For how long a part of rtp has not been able to do its work with a service; 0: it can.",
    "part",
    "service",
)
TROUBLE_FAILURES = gauge("rtp_trouble_failures", "How often it has tried in vain since.", "part", "service")

EVENTS_DELIVERED = counter(
    "rtp_events_delivered_total", "Events that the sink has taken.", "sink", "kind", "reason", "severity"
)
SINK_LAG_EVENTS = gauge("rtp_sink_lag_events", "Events that the sink has not got yet, about.", "sink")
SINK_LAG_SECONDS = gauge(
    "rtp_sink_lag_seconds", "How long the oldest event waits that the sink has not got yet; at most 2 s old.", "sink"
)
SINK_LAG_BYTES = gauge("rtp_sink_lag_bytes", "How much of the log waits for the sink, about; at most 2 s old.", "sink")
PARKED_EVENTS = gauge(
    "rtp_parked_events", "Events that wait aside because the sink did not take them, or ones before them.", "sink"
)
RETRIES = counter("rtp_retries_total", "Times that the sink was tried again.", "sink")
RECONNECTS = counter("rtp_reconnects_total", "Times that the sink's loop lost its connection to the log.", "sink")
DEAD_LETTERS = counter("rtp_dead_letters_total", "Events that the sink can never take.", "sink")
SKIPPED = counter("rtp_skipped_total", "Events that the sink's routes do not match.", "sink")

LATENCY_SECONDS = histogram(
    "rtp_latency_seconds",
    "detection: trigger's clock (of a sampled watch, the judge's) to reader; processing: reader to the sink's answer;"
    " delivery: both together.",
    "sink",
    "stage",
)
BATCH_EVENTS = histogram("rtp_batch_events", "Events in a batch.", "sink")

CIRCUIT_STATE = gauge(
    "rtp_circuit_state",
    "1 for the state that the service's circuit breaker is in: closed, open or half-open.",
    "service",
    "state",
)
CIRCUIT_OPENED = counter("rtp_circuit_opened_total", "Times that the circuit breaker has opened.", "service")

SAMPLES_JUDGED = counter("rtp_samples_judged_total", "Waiting samples that this process has judged.")
SAMPLES_WAITING = gauge(
    "rtp_samples_waiting", "Samples that wait for rtp run to judge them; up to a million are counted.", "watch"
)
SAMPLES_WAITING_SECONDS = gauge(
    "rtp_samples_waiting_seconds", "How long the oldest of these samples waits, since it was written.", "watch"
)
SAMPLES_WAITING_BYTES = gauge("rtp_samples_waiting_bytes", "How much of the log of samples waits.", "watch")
SET_ASIDE = counter(
    "rtp_set_aside_total",
    "Rows that moved nothing, since the installation: further ahead than max_future (future), older than what is known"
    " (late), or rejected.",
    "watch",
    "why",
)
QUARANTINED = gauge("rtp_quarantined", "Values that the glitch guard holds back.", "watch")

WATCH_ARMED = gauge(
    "rtp_watch_armed",
    "1 where each write to the watch's table reaches its triggers; told by the leader alone.",
    "watch",
)
TRIGGER_ERRORS = counter("rtp_trigger_errors_total", "What triggers could not judge, since the installation.", "watch")
_ESTIMATED = "Estimated from the measured ones, of the last hour."
TRIGGER_STATEMENTS = gauge(
    "rtp_trigger_statements_last_hour", f"Statements that fired the watch's triggers. {_ESTIMATED}", "watch"
)
TRIGGER_ROWS = gauge("rtp_trigger_rows_last_hour", f"Rows that they looked at. {_ESTIMATED}", "watch")
TRIGGER_EVENTS = gauge("rtp_trigger_events_last_hour", f"Events that they raised. {_ESTIMATED}", "watch")
TRIGGER_SECONDS = gauge(
    "rtp_trigger_seconds_last_hour",
    f"Time that they took; divided by the statements it is the mean. {_ESTIMATED}",
    "watch",
)
TRIGGER_LONGEST_SECONDS = gauge(
    "rtp_trigger_longest_seconds_last_hour", "The longest time that one measured statement took.", "watch"
)

DEAD_LETTERS_KEPT = gauge("rtp_dead_letters_kept", "Dead letters in rtp.dead_letter that wait for somebody.", "sink")
DEAD_LETTERS_FORWARDED = counter(
    "rtp_dead_letters_forwarded_total", "Copies of dead letters that went to a dead letter queue of SQS."
)
LOG_BYTES = gauge("rtp_log_bytes", "What the log of events takes on disk, with its indexes.")
SAMPLE_LOG_BYTES = gauge("rtp_sample_log_bytes", "What the log of samples takes on disk, with its indexes.")
LOG_SLOTS_EMPTIED = counter("rtp_log_slots_emptied_total", "Times that a third of the log was emptied.")
FACTS_AGE_SECONDS = gauge("rtp_facts_age_seconds", "How old the figures are that only the database knows.")

CACHE_READS = counter(
    "rtp_cache_reads_total",
    "Reads of the cache by all readers of this Redis together: hits, local (in the reader's own memory), misses,"
    " fallbacks (answered by the tables, as Redis did not).",
    "kind",
    "outcome",
)
CACHE_REBUILDS = counter("rtp_cache_rebuilds_total", "Times that the cache was filled from the database.")
