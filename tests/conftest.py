"""Which tests are slow, and how long Hypothesis searches.

``make test-fast`` leaves out the slow ones and searches briefly; ``make test`` runs everything.
Hypothesis has no deadlines, because machines differ; the profile ``long`` is for long searches
(``pytest --hypothesis-profile=long``).
"""

import gc
import os
from pathlib import Path

import hypothesis
import pytest

import postgres_cluster

# With fork support, a thread of gRPC can end a child between its fork and its exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

TESTS = Path(__file__).parent
SLOW = {
    "access/test_access_calls.py": "starts a server for each test",
    "api/test_api_cmek.py": "starts a server for each test",
    "api/test_api_fuzz.py": "searches for requests that fail",
    "bench/test_bench_lines.py": "starts server processes",
    "bench/test_bench_postgres.py": "starts PostgreSQL and server processes",
    "console/test_console_chromium.py": "drives a browser",
    "client/test_client_drop_in.py": "creates virtual environments",
    "client/test_client_tls.py": "starts server processes",
    "client/test_client_typing.py": "runs mypy",
    "deploy/test_deploy_image.py": "creates virtual environments",
    "deploy/test_deploy_proxies.py": "starts server processes",
    "dispatch/test_dispatch_conservation.py": "searches for lost tasks",
    "dispatch/test_dispatch_garbage.py": "collects garbage, over and over",
    "docs/test_backup_page.py": "starts server processes",
    "docs/test_cli_page.py": "starts processes",
    "docs/test_examples.py": "starts server processes",
    "docs/test_moving_page.py": "starts server processes",
    "docs/test_postgres_page.py": "starts server processes",
    "docs/test_systemd.py": "starts server processes",
    "docs/test_testing_page.py": "runs pytest",
    "e2e": "starts server processes",
    "edge/test_edge_tls.py": "starts a server for each test",
    "store/sqlite/test_sqlite_costs.py": "fills large stores",
    "store/sqlite/test_sqlite_kill.py": "kills processes",
    "faults": "starts server processes",
    "outbox/test_outbox_drivers.py": "starts a PostgreSQL server",
    "store/postgres": "starts a PostgreSQL server",
    "store/test_model.py": "searches for sequences of calls that fail",
    "transfer/test_transfer_google.py": "starts a server for each test",
    "test_contents.py": "starts a server for each test",
    "test_server.py": "starts a server for each test",
    "testing/test_testing_interleavings.py": "searches for lost tasks",
    "testing/test_testing_plugin.py": "runs pytest",
}
"""Directories and modules that are slow, and why."""
SLOW_PATHS = frozenset(TESTS / path for path in SLOW)
SLOW_STORES = frozenset({"sqlite-file", "postgres"})
"""The stores on which the conformance suite is slow; ``make test-fast`` runs it in memory."""

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("fast", deadline=None, max_examples=20)
hypothesis.settings.register_profile("long", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile("default")


def is_slow(item):
    """Return whether an item is in a slow place, or runs on the slow store."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return not SLOW_STORES.isdisjoint(map(str, parameters)) or not SLOW_PATHS.isdisjoint(
        (item.path, *item.path.parents)
    )


def pytest_configure():
    for path in SLOW_PATHS:
        if not path.exists():
            raise pytest.UsageError(f"tests/conftest.py: {path} does not exist")


def pytest_collection_modifyitems(items):
    for item in items:
        if is_slow(item):
            item.add_marker("slow")


def pytest_collection_finish():
    # Imported modules stay, so that garbage collections need not scan them.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres():
    """Give a PostgreSQL server to all tests; ``url`` returns a new schema."""
    server = postgres_cluster.open_server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def pgbouncer(postgres):
    """Give a PgBouncer in transaction mode in front of it; ``url`` returns a new schema."""
    bouncer = postgres_cluster.open_pgbouncer(postgres)
    yield bouncer
    bouncer.close()
