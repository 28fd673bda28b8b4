"""``drayman serve --check``: all that would keep a server from starting, and nothing changed."""

import socket
import sqlite3
import sys

import pytest

from drayman import check, cli, observe
from drayman.server import Server
from drayman.settings import load, read

QUEUE = "projects/p/locations/l/queues/q"
SOURCES = (
    "port from --port, http-port from --http-port, store from --store, queue from --queue, "
    "queue-file from --queue-file, grace from DRAYMAN_GRACE"
)
FREE = {"port": "0", "http_port": "0"}


@pytest.fixture
def store(tmp_path):
    return tmp_path / "tasks.db"


def problems(arguments, environment=None):
    return check.problems(read({"store": "memory"} | FREE | arguments, environment or {}))


def problem(arguments):
    (line,) = problems(arguments)
    assert "; " in line
    return line


def write(path, content):
    path.write_text(content)
    return str(path)


def test_settings_that_work_have_a_summary(tmp_path, store):
    queues = write(tmp_path / "queues.yaml", f"queues: [{{name: {QUEUE}}}]")
    arguments = {"store": f"sqlite:{store}", "queue_file": queues, "queue": [f"{QUEUE}2"]} | FREE
    reading = read(arguments, {"DRAYMAN_GRACE": "5s"})
    assert check.problems(reading) == []
    assert check.summary(reading).splitlines() == [
        "the server can start",
        "  gRPC        127.0.0.1, a free port",
        "  HTTP        127.0.0.1, a free port",
        "  TLS         none, plain text",
        f"  store       sqlite:{store} (new), durability safe",
        "  queues      2 declared",
        "  encryption  0 keys",
        "  tokens      signed with generated keys",
        "  callers     not authenticated",
        f"  settings    {SOURCES}",
    ]


def test_nothing_is_left_behind(tmp_path, store):
    assert problems({"store": f"sqlite:{store}"}) == []
    assert list(tmp_path.iterdir()) == []


async def test_a_store_that_exists_is_not_changed(tmp_path, store):
    arguments = {"store": f"sqlite:{store}"} | FREE
    server = Server(load(arguments, {}))
    await server.start()
    await server.stop()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    reading = read(arguments, {})
    assert check.problems(reading) == []
    assert f"store       sqlite:{store}, durability safe" in check.summary(reading)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_everything_that_is_wrong_has_a_line_with_the_next_step(tmp_path):
    lines = problems(
        {
            "durability": "none",
            "queue": [QUEUE],
            "location": ["here"],
            "queue_file": str(tmp_path / "nowhere.yaml"),
            "tls_key": "key.pem",
            "key_file": write(tmp_path / "keys.yaml", "k: x"),
            "signing_key": write(tmp_path / "key.pem", "no key"),
            "google_credentials": write(tmp_path / "google.json", "{}"),
            "targets": write(tmp_path / "targets.toml", "allow = 1"),
            "target_ca": write(tmp_path / "ca.pem", "no certificate"),
            "store": f"sqlite:{tmp_path}/no/tasks.db",
        },
        {"DRAYMAN_STOER": "x"},
    )
    starts = [
        "DRAYMAN_STOER: ", "--durability: ", "--queue-file: ", "--key-file: ", "--signing-key: ",
        "--google-credentials: ", "--targets: ", "--target-ca: ",
        "--tls-key is given without --tls-cert; ", "store ",
    ]  # fmt: skip
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts
    assert all("; " in line and "\n" not in line for line in lines)


def test_a_queue_outside_of_the_locations_is_named(tmp_path):
    queues = write(tmp_path / "queues.yaml", f"queues: [{{name: {QUEUE}}}]")
    line = problem({"queue_file": queues, "location": ["here"]})
    assert line.startswith(f"{QUEUE}: Location 'l' is not a valid location.")
    assert line.endswith("; add its location with --location, or leave the queue out")


@pytest.mark.parametrize("option", ["port", "http_port"])
def test_an_address_that_is_taken_is_named_and_a_free_one_stays_free(option):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        flag = f"--{option.replace('_', '-')}"
        line = problem({option: str(port)})
        assert line.startswith(f"cannot listen on 127.0.0.1:{port} ({flag}): Address already in")
    assert problems({option: str(port)}) == []
    assert problems({option: str(port)}) == []


def test_both_ports_may_not_be_the_same():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    line = problem({"port": port, "http_port": port})
    assert line.startswith(f"--port and --http-port are both {port}; ")


async def test_a_store_in_use_is_named(store):
    server = Server(load({"store": f"sqlite:{store}"} | FREE, {}))
    await server.start()
    line = problem({"store": f"sqlite:{store}"})
    await server.stop()
    assert line.startswith(f"store {store} is in use by another server; ")


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("CREATE TABLE t (x)", "is the SQLite database of another program"),
        ("PRAGMA user_version = 999", "was written by a newer version of drayman"),
    ],
)
def test_a_database_that_is_no_store_is_named(store, script, sentence):
    connection = sqlite3.connect(store)
    connection.executescript(script)
    connection.close()
    assert sentence in problem({"store": f"sqlite:{store}"})


def test_a_file_that_is_no_database_is_named(tmp_path, store):
    store.write_text("no database" * 100)
    assert "is not a SQLite database" in problem({"store": f"sqlite:{store}"})
    assert "it is a directory" in problem({"store": f"sqlite:{tmp_path}"})


def test_what_depends_on_a_wrong_setting_is_not_checked():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        lines = problems({"host": "127.0.0.1", "port": "x", "http_port": port, "store": "x:y"})
    assert [line.split(":")[0] for line in lines] == [
        "--port",
        "--store",
        "cannot listen on 127.0.0.1",
    ]


def test_of_a_file_of_settings_that_cannot_be_read_nothing_else_is_said(tmp_path):
    reading = read({}, {}, str(tmp_path / "nowhere.toml"))
    assert len(check.problems(reading)) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "stdout", "stderr"),
    [
        ([], 0, "drayman: the server can start\n", ""),
        (["--durability", "none"], 2, "", "drayman: --durability: "),
    ],
)
def test_the_command_ends_with_a_status(capsys, arguments, status, stdout, stderr):
    serve = cli.command().commands["serve"]
    common = ["--check", "--store", "memory", "--port", "0", "--http-port", "0"]
    with pytest.raises(SystemExit) as ended:
        serve.main(common + arguments)
    printed = capsys.readouterr()
    assert ended.value.code == status
    assert printed.out.startswith(stdout)
    assert printed.err.startswith(stderr)
    assert bool(printed.out) != bool(printed.err)


def test_tracing_needs_its_extra(monkeypatch):
    assert problems({"tracing": "true"}) == []
    monkeypatch.delitem(sys.modules, "drayman.observe.tracing")
    monkeypatch.delattr(observe, "tracing")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert problem({"tracing": "true"}).startswith(
        "--tracing: OpenTelemetry is not installed; run: "
    )
