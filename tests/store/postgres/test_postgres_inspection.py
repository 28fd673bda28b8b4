"""A check of a store on PostgreSQL."""

import psycopg
import pytest
from test_postgres_copy import fill

from drayman.store import opening
from drayman.store.contract import StoreError
from drayman.store.postgres import address


@pytest.fixture
async def moved(tmp_path, url):
    """Give the counts of a SQLite store that was copied to PostgreSQL."""
    path = tmp_path / "tasks.db"
    world = await fill(path)
    await world.store.close()
    counts = opening.inspect(f"sqlite:{path}").counts
    list(opening.copy(f"sqlite:{path}", url, world.now))
    return counts


async def test_it_counts_what_a_check_of_a_file_counts(moved, url):
    report = opening.inspect(url)
    assert report.counts == moved | {"outboxEntries": 0}
    assert (report.problems, report.warnings, report.in_use) == ([], [], False)


async def test_rows_that_do_not_fit_are_problems(moved, url):
    parsed = address.parse(url)
    with psycopg.connect(parsed.conninfo) as connection:
        connection.execute(f"UPDATE {parsed.schema}.queue SET in_flight = 3".encode())
        connection.execute(
            f"UPDATE {parsed.schema}.task_count SET tasks = tasks + 1 "
            f"WHERE generation = (SELECT min(generation) FROM {parsed.schema}.task_count)".encode()
        )
    assert opening.inspect(url).problems == [
        f"{moved['queues']} queues count their attempts in flight wrongly",
        "1 queues count their tasks wrongly",
    ]


def test_a_store_that_does_not_exist_is_not_created(url):
    for _ in range(2):
        with pytest.raises(StoreError, match="does not exist"):
            opening.inspect(url)
