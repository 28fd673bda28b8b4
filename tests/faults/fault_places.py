"""The fleets that faults need: on a PostgreSQL, with a standby, on a small disk."""

import contextlib

import fault_audit
from fault_fleet import Fleet

import postgres_cluster
from small_disk import small_disk

_SMALL = 48 << 20


@contextlib.contextmanager
def plain(folder):
    """Give a fleet on a PostgreSQL of its own."""
    with contextlib.closing(_cluster()) as cluster, Fleet(folder, cluster) as fleet:
        yield _audited(fleet)


@contextlib.contextmanager
def standby(folder):
    """Give a fleet on a primary whose commits wait for a standby."""
    with (
        contextlib.closing(_cluster()) as primary,
        contextlib.closing(_cluster(primary=primary)) as second,
        Fleet(folder, primary, f"host={second.folder},{primary.folder}", "faults") as fleet,
    ):
        primary.configure("synchronous_standby_names", "*")
        fleet.standby = second
        yield _audited(fleet)


@contextlib.contextmanager
def disk(folder):
    """Give a fleet whose tables are on a small disk."""
    with (
        contextlib.closing(_cluster()) as cluster,
        small_disk(cluster.folder / "disk", _SMALL) as small,
    ):
        cluster.create_tablespace("small", cluster.folder_on(small))
        options = "&options=-cdefault_tablespace%3Dsmall"
        with Fleet(folder, cluster, options=options) as fleet:
            fleet.disk = small
            yield _audited(fleet)


PLACES = {"plain": plain, "standby": standby, "disk": disk}


def _cluster(**options):
    return postgres_cluster.Cluster(postgres_cluster.find_programs(), **options)


def _audited(fleet):
    fleet.query(fault_audit.TRIGGERS)
    return fleet
