"""The files of tests that coverage does not follow: whatever they run, others run too.

Following a test takes its Python twice to three times as long. These were found by a run that kept apart what each file
covers: without the lines and branches of all of them, the whole covers the same to a tenth of a percent.
"""

from __future__ import annotations

COVERED_BY_OTHERS = frozenset(
    {
        "integration/test_batching.py",
        "integration/test_cache_rights.py",
        "integration/test_cli_loadtest.py",
        "integration/test_cli_validate.py",
        "integration/test_dashboards.py",
        "integration/test_deployment.py",
        "integration/test_detection.py",
        "integration/test_documents_run.py",
        "integration/test_encoding.py",
        "integration/test_handler_cache.py",
        "integration/test_history_tables.py",
        "integration/test_isolation.py",
        "integration/test_kept_plans.py",
        "integration/test_lambda_function.py",
        "integration/test_mapping.py",
        "integration/test_never_waits.py",
        "integration/test_own_kind.py",
        "integration/test_partitions.py",
        "integration/test_privileges.py",
        "integration/test_rebuild.py",
        "integration/test_redis_tls.py",
        "integration/test_routes.py",
        "integration/test_running_demo.py",
        "integration/test_single_table.py",
        "integration/test_tail_command.py",
        "integration/test_testimony.py",
        "integration/test_ticks.py",
        "integration/test_timezone.py",
        "integration/test_top_command.py",
        "integration/test_upgrade.py",
        "integration/test_upgrade_from_each_version.py",
        "integration/test_upgrade_to_the_sample_log.py",
        "integration/test_wakeup.py",
        "integration/test_wrong_clock.py",
        "unit/test_compiler.py",
        "unit/test_detector_properties.py",
        "unit/test_documents.py",
        "unit/test_help.py",
        "unit/test_infrastructure.py",
        "unit/test_moves.py",
        "unit/test_notify_rehearsal.py",
        "unit/test_suggest.py",
    }
)
