"""What the simulation of many queues says follows from its arguments."""

import pytest

from bench import spread

COSTS = spread.Costs(database=100, server=200, wal=2_000, row=400, group=1_000, grouped=100)


def test_demand_grows_with_the_rate():
    needs = spread.demand(10_000, COSTS)
    assert needs["cores of PostgreSQL"] == 1
    assert needs["write-ahead log, MB/s"] == 20
    assert needs["cores of servers"] == 2


def test_a_limit_is_the_rate_that_uses_a_resource_up_to_plan():
    machine = spread.Machine(cores=10, wal=100e6, vacuum=1_000)
    bounds = spread.limits(COSTS, machine)
    assert bounds["cores of PostgreSQL"] == spread.HEADROOM * 100_000
    assert bounds["write-ahead log"] == spread.HEADROOM * 50_000


def test_groups_grow_with_the_rate_and_tasks_wait_no_longer_than_two_groups_on_average():
    slow, fast = spread.group_commit(100, COSTS), spread.group_commit(5_000, COSTS)
    assert 1 <= slow.size < 2 < fast.size
    assert slow.busy < fast.busy <= 1
    assert fast.wait <= 2 * (COSTS.group + COSTS.grouped * fast.size) / 1_000


@pytest.mark.parametrize("assign", [spread.by_hash, spread.by_load])
def test_each_queue_is_on_one_database(assign):
    rates = spread.unequal_rates(100, 1_000)
    loads = assign(rates, 7)
    assert sum(loads) == pytest.approx(1_000)
    assert spread.skew(loads) >= 1


def test_few_queues_of_equal_rates_are_spread_evenly_by_load_but_not_by_hash():
    rates = spread.equal_rates(50, 1_000)
    assert spread.skew(spread.by_load(rates, 10)) == 1
    assert spread.skew(spread.by_hash(rates, 10)) > 1


def test_the_tables_are_printed(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["spread", "--queues", "10"])
    spread.main()
    assert "10 queues at 500/s: 5,000 tasks/s" in capsys.readouterr().out
