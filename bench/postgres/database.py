"""The PostgreSQL server that is measured, and the resources that it uses."""

import contextlib
import dataclasses
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench import processes
from tests.postgres_cluster import Cluster, find_programs

SETTINGS = ("shared_buffers=256MB", "max_wal_size=4GB")
"""All other settings are PostgreSQL's defaults: each commit is flushed (``fsync``)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """What PostgreSQL has used since it started.

    Attributes:
        cpu: Processor time of all its processes, in seconds.
        wal: Bytes of the write-ahead log.
        commits: Transactions that were committed, those that only read included.
    """

    cpu: float
    wal: int
    commits: int

    def since(self, before: "Usage") -> "Usage":
        """Return the difference to an earlier usage."""
        return Usage(self.cpu - before.cpu, self.wal - before.wal, self.commits - before.commits)


class Database:
    """A PostgreSQL server that runs."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._pid = int((cluster.folder / "data" / "postmaster.pid").read_text().split()[0])

    @property
    def parameters(self) -> str:
        """What psycopg and asyncpg connect with."""
        return f"postgresql:///postgres?host={self._cluster.folder}&user=drayman"

    def url(self, schema: str) -> str:
        """Return the URL of a store."""
        return self._cluster.url(schema)

    def configure(self, name: str, value: str) -> None:
        """Change a setting; return when it holds."""
        self._cluster.configure(name, value)

    @contextlib.contextmanager
    def connection(self, schema: str = "public") -> Iterator[psycopg.Connection]:
        """Connect; each statement is a transaction."""
        with contextlib.closing(psycopg.connect(self.parameters, autocommit=True)) as connection:
            connection.execute(f"SET search_path TO {schema}")
            yield connection

    def drop(self, schema: str) -> None:
        """Delete a store."""
        with self.connection() as connection:
            connection.execute("SET client_min_messages TO warning")
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    @property
    def usage(self) -> Usage:
        """What it has used since it started."""
        with self.connection() as connection:
            wal, commits = connection.execute(
                "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn, sum(xact_commit)"
                " FROM pg_stat_database"
            ).fetchone()
        return Usage(processes.total_cpu(self._pid), int(wal), int(commits))


@contextlib.contextmanager
def start() -> Iterator[Database]:
    """Run a PostgreSQL server until the block ends; SystemExit if none is installed."""
    programs = find_programs()
    if programs is None:
        raise SystemExit("no PostgreSQL server: install one (apt-get install postgresql)")
    with contextlib.closing(Cluster(Path(programs), SETTINGS)) as cluster:
        yield Database(cluster)


def version() -> str:
    """Return the version of the installed PostgreSQL."""
    program = Path(find_programs()) / "postgres"
    shown = subprocess.run([program, "--version"], capture_output=True, check=True, text=True)
    return shown.stdout.strip()
