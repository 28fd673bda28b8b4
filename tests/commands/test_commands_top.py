"""``drayman top``, and the columns of statistics."""

from concurrent import futures

import grpc
import pytest
from command_line import PARENT
from rich.console import Console

from drayman.commands import output, statistics
from drayman.tasks_v2 import types

BUSY = {
    "name": f"{PARENT}/queues/busy",
    "state": "RUNNING",
    "tasks": 12_345,
    "due": 1_000,
    "dueAtLeast": True,
    "inFlight": 7,
    "deadLetters": 3,
    "deadLettersAtLeast": False,
    "rates": {"1m": {"created": 20.04, "completed": 10.0, "failed": 0.25, "retried": 1.0}},
    "maxDispatchesPerSecond": 500.0,
    "effectiveExecutionRate": 12.5,
    "rateLimitedBy": "BACK_PRESSURE",
    "oldestDueSeconds": 75.2,
}
"""The statistics of a queue, as ListQueueStats has them."""
SETTINGS = {"name": f"{PARENT}/queues/idle", "state": "PAUSED", "maxDispatchesPerSecond": 5.0}
"""Those of a server that has no statistics."""


def cells(row):
    return [column.cell(row) for column in statistics.COLUMNS]


def test_a_queue_has_its_counts_rates_and_the_cause_of_its_limit():
    expected = "busy RUNNING 12,345 1,000+ 7 3 1m_15s 20.0 10.0 1.0 0.2 12.5/500 back_pressure"
    assert [cell.replace(" ", "_") for cell in cells(BUSY)] == expected.split()


@pytest.mark.parametrize(
    ("effective", "highest", "text"),
    [
        (407.624, 500.0, "408/500"),
        (0.016666, 0.25, "0.0167/0.25"),
        (999.6, 12_000.0, "1000/12000"),
    ],
)
def test_rates_have_three_digits(effective, highest, text):
    row = BUSY | {"effectiveExecutionRate": effective, "maxDispatchesPerSecond": highest}
    assert cells(row)[-2] == text


def test_what_a_server_does_not_know_is_a_dash():
    assert cells(SETTINGS) == ["idle", "PAUSED", *["-"] * 10, ""]
    assert cells(SETTINGS | {"state": "RUNNING"})[-2] == "5"


def test_the_busiest_queue_is_first():
    rows = [SETTINGS, BUSY, BUSY | {"due": 2_000}]
    assert statistics.busiest_first(rows) == [rows[2], BUSY, SETTINGS]


def test_columns_beside_a_queue_are_those_of_its_name():
    text = statistics.beside(statistics.COUNTS[0].cell, {BUSY["name"]: BUSY})
    assert text({"name": BUSY["name"]}) == "12,345"
    assert text({"name": "created just now"}) == "-"


def test_without_a_terminal_it_is_one_table(drayman, queue):
    run = drayman("top")
    head, *rows = run.lines
    assert head.split() == [column.label for column in statistics.COLUMNS]
    assert any(row.split()[:2] == [queue, "PAUSED"] for row in rows)
    assert f"{PARENT}/queues/{queue}" in drayman("top", "--once", "--format", "value(name)").lines


class ListsQueues(grpc.GenericRpcHandler):
    """A server of Cloud Tasks that has gRPC alone."""

    def service(self, details):
        if not details.method.endswith("/ListQueues"):
            return None
        queue = types.Queue(name=SETTINGS["name"], rate_limits={"max_dispatches_per_second": 5})
        queue.state = types.Queue.State.PAUSED
        return grpc.unary_unary_rpc_method_handler(
            lambda _request, _context: types.ListQueuesResponse(queues=[queue]),
            response_serializer=types.ListQueuesResponse.serialize,
        )


@pytest.fixture
def other_server():
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([ListsQueues()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_a_server_of_another_kind_shows_what_it_has(drayman, other_server):
    _, row = drayman("top", "--server", other_server).lines
    assert row.split() == ["idle", "PAUSED", *["-"] * 10]
    head, row = drayman("queues", "list", "--server", other_server).lines
    assert row.split() == ["idle", "PAUSED", "5.0", "unlimited"]
    assert "PENDING" not in head


def test_a_server_that_does_not_run_is_an_error(drayman, other_server):
    host = other_server.partition(":")[0]
    assert drayman("top", "--server", f"{host}:1").status == 3


def test_a_narrow_terminal_shows_whole_names_and_the_columns_that_matter_most():
    row = {"name": f"{PARENT}/queues/{'q' * 24}", "state": "RUNNING", "tasks": 12_345, "due": 12,
           "inFlight": 3, "deadLetters": 1, "oldestDueSeconds": 70, "maxDispatchesPerSecond": 500,
           "effectiveExecutionRate": 250}  # fmt: skip
    shown = output.fitting([row], statistics.COLUMNS, 80)
    assert [each.label for each in shown] == (
        ["QUEUE_NAME", "STATE", "PENDING", "DUE", "IN_FLIGHT", "OLDEST", "DONE/s"]
    )
    console = Console(width=80)
    with console.capture() as capture:
        console.print(output.rich_table([row], shown))
    assert "q" * 24 in capture.get()
    assert "…" not in capture.get()
    assert output.fitting([row], statistics.COLUMNS, 200) == [*statistics.COLUMNS]
    assert [each.label for each in output.fitting([row], statistics.COLUMNS, 10)] == (
        ["QUEUE_NAME", "STATE", "PENDING", "DUE", "OLDEST"]
    )
