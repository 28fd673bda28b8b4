"""Every part of the harness can be imported: most run for minutes, and no test runs them."""

import importlib
import pkgutil

import pytest

import bench

PEERS = {"bench.postgres.pgqueuer_jobs", "bench.postgres.procrastinate_jobs"}
"""Programs that run with other libraries, each in an environment of its own."""
MODULES = [
    module.name
    for module in pkgutil.walk_packages(bench.__path__, "bench.")
    if not module.name.endswith("__main__") and module.name not in PEERS
]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_of_the_harness_can_be_imported(name):
    assert importlib.import_module(name).__doc__
