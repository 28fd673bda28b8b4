"""A worker for the servers of these tests."""

import pytest

from processes import run_worker


@pytest.fixture
def worker():
    with run_worker() as started:
        yield started
