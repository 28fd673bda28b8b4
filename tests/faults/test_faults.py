"""Three servers on one PostgreSQL, under load, while something fails."""

import pytest
from fault_places import PLACES
from fault_table import FAULTS, run

import postgres_cluster


@pytest.fixture(scope="module")
def fleets(tmp_path_factory, postgres):
    """Give a function that returns the fleet of a place; one exists at a time."""
    if not isinstance(postgres, postgres_cluster.Cluster):
        pytest.skip("faults are not for another server")
    opened = {}

    def fleet(place):
        if place not in opened:
            close_all()
            context = PLACES[place](tmp_path_factory.mktemp(place))
            opened[place] = context, context.__enter__()
        return opened[place][1]

    def close_all():
        while opened:
            _, (context, _fleet) = opened.popitem()
            context.__exit__(None, None, None)

    yield fleet
    close_all()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_nothing_acknowledged_is_lost_and_limits_hold_over_a_fault(fleets, fault):
    summary = run(fault, fleets(fault.place))
    assert summary.lost == 0
