"""Networks that fail between the store and PostgreSQL, and a failover to a standby."""

import psycopg
import pytest
from postgres_world import until_it_works
from world import LIMITS, START, World

import postgres_cluster
from drayman.core import errors
from drayman.store.postgres.address import parse
from drayman.store.postgres.database import open_store
from drayman.store.postgres.link import Link
from tcp_proxy import proxy


@pytest.fixture
def cluster(postgres):
    """Give a PostgreSQL server of the tests' own."""
    if not isinstance(postgres, postgres_cluster.Cluster):
        pytest.skip("the network of another server cannot be cut")
    return postgres


@pytest.fixture
def network(cluster):
    """Give a proxy in front of PostgreSQL."""
    with proxy(cluster.socket) as network:
        yield network


@pytest.fixture
async def world(network, cluster):
    """Give a store behind the proxy, with a queue."""
    world = World(await open_store(f"{cluster.url()}&{network.parameters}", LIMITS, START))
    await world.queue()
    yield world
    await world.store.close()


async def test_calls_end_though_packets_vanish_and_succeed_when_they_pass_again(world, network):
    before = await world.create_one()
    network.blackhole()
    for call in (world.create_one, world.listed, world.store.check):
        with pytest.raises(errors.Unavailable, match=r"^PostgreSQL cannot be used at present: "):
            await call()
    network.heal()
    await until_it_works(world.store.check)
    await until_it_works(world.listed)
    assert before in await world.listed()


async def test_a_network_that_is_cut_costs_the_calls_of_that_time_alone(world, network):
    before = await world.create_one()
    network.cut()
    for call in (world.create_one, world.listed):
        with pytest.raises(errors.Unavailable):
            await call()
    network.heal()
    await until_it_works(world.store.check)
    await until_it_works(world.listed)
    assert before in await world.listed()


async def test_an_inspection_notices_that_postgresql_has_gone_before_a_call_does(world, network):
    await world.store.inspect()
    network.cut()
    with pytest.raises(errors.Unavailable):
        await world.store.inspect()


def test_what_follows_a_statement_without_a_response_fails_at_once(network, cluster):
    link = Link(parse(f"{cluster.url()}&{network.parameters}"), LIMITS)
    link.ping()
    network.blackhole()
    with pytest.raises(psycopg.OperationalError, match="does not respond"):
        link.use(lambda connection: connection.execute("SELECT 1"))
    with pytest.raises(psycopg.OperationalError, match="the connection is lost"):
        link.begin()  # it does not connect itself, which may take seconds more
    network.heal()
    link.close()


@pytest.mark.usefixtures("cluster")
async def test_the_promoted_standby_gets_the_calls_of_a_primary_that_failed():
    programs = postgres_cluster.find_programs()
    primary = postgres_cluster.Cluster(programs)
    standby = postgres_cluster.Cluster(programs, primary=primary)
    hosts = f"{standby.folder},{primary.folder}"  # the standby is tried first, and takes no writes
    world = World(await open_store(f"{primary.url('jobs')}&host={hosts}", LIMITS, START))
    try:
        await world.queue()
        primary.configure("synchronous_standby_names", "*")
        acknowledged = await world.create_one()
        primary.stop("immediate")
        standby.promote()
        await until_it_works(world.store.check)
        assert await world.listed() == [acknowledged]
        assert await world.create_one() != acknowledged
    finally:
        await world.store.close()
        for each in (standby, primary):
            each.close()
