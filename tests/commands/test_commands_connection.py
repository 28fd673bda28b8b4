"""Where commands call, who they are, and what they report when a call fails."""

import socket
import socketserver
import threading

import click
import pytest
from command_line import PARENT
from google.api_core import exceptions

from certificates import Authority
from drayman import cli
from drayman.commands import failures, statistics
from drayman.commands.remote import Address, Remote
from live import LiveServer

LIST = ("queues", "list", "--project", "shop", "--location", "here")
ATTEMPTS = ("attempts", "list", "--queue", f"{PARENT}/queues/q")


@pytest.fixture
def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("box", Address("box:8123", tls=False)),
        ("box:80", Address("box:80", tls=False)),
        ("http://box", Address("box:80", tls=False)),
        ("https://box", Address("box:443", tls=True)),
        ("https://box:8123", Address("box:8123", tls=True)),
        ("[::1]:80", Address("[::1]:80", tls=False)),
    ],
)
def test_an_address_is_plain_text_unless_its_url_says_otherwise(text, address):
    assert Address.parse(text, tls=False) == address


def test_a_file_of_authorities_means_tls():
    assert Address.parse("box:80", tls=True) == Address("box:80", tls=True)
    assert Address.parse("http://box", tls=True) == Address("box:80", tls=False)


@pytest.mark.parametrize("text", ["ftp://box", "box:0", "http://box/path", ""])
def test_a_wrong_address_is_an_error_of_usage(text):
    with pytest.raises(click.UsageError, match=r"^--server must be HOST, HOST:PORT, "):
        Address.parse(text, tls=False)


@pytest.mark.parametrize("variable", ["DRAYMAN_SERVER", "CLOUD_TASKS_EMULATOR_HOST"])
def test_the_environment_names_the_server(run, server, monkeypatch, variable):
    monkeypatch.setenv(variable, server.address)
    assert run(*LIST).status == 0


def test_the_server_of_drayman_takes_precedence(run, server, monkeypatch, free_port):
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", f"127.0.0.1:{free_port}")
    monkeypatch.setenv("DRAYMAN_SERVER", server.address)
    assert run(*LIST).status == 0
    assert run(*LIST, "--server", f"127.0.0.1:{free_port}").status == 3


@pytest.mark.parametrize("variable", ["DRAYMAN_DEFAULT_PROJECT", "CLOUDSDK_CORE_PROJECT"])
def test_the_environment_names_the_project(run, server, monkeypatch, variable):
    monkeypatch.setenv(variable, "shop")
    run("queues", "create", f"env-{variable.lower().replace('_', '-')}", "--location=here",
        "--server", server.address)  # fmt: skip
    arguments = ("queues", "list", "--location=here", "--server", server.address)
    assert "projects/shop" in run(*arguments, "--format", "value(name)").out


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        (
            "--location=l",
            "which project? Give --project, or set DRAYMAN_DEFAULT_PROJECT or CLOUDSDK",
        ),
        ("--project=p", "which location? Give --location or set DRAYMAN_DEFAULT_LOCATION"),
    ],
)
def test_a_name_that_is_not_full_needs_project_and_location(run, server, option, problem):
    result = run("queues", "describe", "q", option, "--server", server.address)
    assert result.status == 2
    assert problem in result.err


def test_a_name_with_slashes_is_full_or_wrong(drayman):
    run = drayman("queues", "describe", "a/b")
    assert run.status == 2
    assert '"a/b" is neither the id of a queue nor its full name, projects/PROJECT/' in run.err


@pytest.mark.parametrize("arguments", [LIST, ATTEMPTS], ids=["gRPC", "HTTP"])
def test_a_server_that_does_not_run_is_one_line_with_the_next_step(run, free_port, arguments):
    result = run(*arguments, "--server", f"127.0.0.1:{free_port}")
    assert (result.status, result.out) == (3, "")
    assert result.err == (
        f"drayman: cannot reach 127.0.0.1:{free_port}: Connection refused; start a server there "
        "with drayman serve, or name another with --server (DRAYMAN_SERVER)\n"
    )


@pytest.mark.parametrize("arguments", [("queues", "list"), ("top",)], ids=" ".join)
def test_without_a_location_a_server_that_does_not_run_is_the_error(run, free_port, arguments):
    result = run(*arguments, "--server", f"127.0.0.1:{free_port}")
    assert result.status == 3
    assert result.err.startswith(f"drayman: cannot reach 127.0.0.1:{free_port}: ")


def test_an_error_of_the_server_names_its_code_and_the_server(drayman, server):
    run = drayman("queues", "describe", "absent")
    assert run.status == 1
    assert run.err.startswith("drayman: NOT_FOUND: Queue does not exist.")
    assert run.err.endswith(f"(server {server.address})\n")
    assert run.err.count("\n") == 1
    over_http = drayman("attempts", "list", "--queue", "absent")
    assert over_http.err == run.err


@pytest.mark.parametrize("arguments", [LIST, ATTEMPTS], ids=["gRPC", "HTTP"])
def test_tls_where_there_is_none_is_explained(run, server, arguments):
    result = run(*arguments, "--server", f"https://{server.address}")
    assert result.status == 3
    assert "; it speaks plain text: name it as http://HOST:PORT\n" in result.err


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory):
    """Give a server with TLS, and the file of the authority that signed its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority()
    identity = authority.issue()
    (folder / "ca.pem").write_bytes(authority.certificate)
    (folder / "server.pem").write_bytes(identity.certificate + identity.key)
    live = LiveServer(tls_cert=str(folder / "server.pem"))
    yield f"localhost:{live.server.port}", folder / "ca.pem"
    live.stop()


@pytest.mark.parametrize(("arguments", "status"), [(LIST, 0), (ATTEMPTS, 1)], ids=["gRPC", "HTTP"])
def test_commands_speak_tls_with_an_authority(run, tls_server, arguments, status):
    address, ca = tls_server
    result = run(*arguments, "--server", address, "--ca", ca)
    assert result.status == status, result.err  # the queue of the attempts does not exist


@pytest.mark.parametrize("arguments", [LIST, ATTEMPTS], ids=["gRPC", "HTTP"])
def test_an_unknown_authority_is_explained(run, tls_server, arguments):
    address, _ = tls_server
    result = run(*arguments, "--server", f"https://{address}")
    assert result.status == 3
    assert "; name the authority of its certificate with --ca\n" in result.err


@pytest.mark.parametrize("arguments", [LIST, ATTEMPTS], ids=["gRPC", "HTTP"])
def test_plain_text_where_there_is_tls_is_explained(run, tls_server, arguments):
    address, _ = tls_server
    result = run(*arguments, "--server", address)
    assert result.status == 1
    assert "This port speaks TLS: call https:// instead of http://" in result.err


@pytest.fixture
def closing_address():
    """Give the address of a program that closes each connection, as other servers of TLS do."""

    class Closing(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(1)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Closing) as program:
        thread = threading.Thread(target=program.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{program.server_address[1]}"
        program.shutdown()
        thread.join()


@pytest.mark.parametrize("arguments", [LIST, ATTEMPTS], ids=["gRPC", "HTTP"])
def test_a_connection_that_is_closed_may_need_tls(run, closing_address, arguments):
    result = run(*arguments, "--server", closing_address)
    assert result.status == 3
    assert "; if it speaks TLS, name it as https://HOST:PORT\n" in result.err


@pytest.fixture
def silent():
    """Give a listening socket whose connections are accepted by the system, and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def test_a_server_that_does_not_answer_is_tried_once(silent):
    host = f"127.0.0.1:{silent.getsockname()[1]}"
    address = Address(host, tls=False)
    server = Remote(address, "shop", "here", None, None, None, True, None, timeout=0.05)
    with pytest.raises(SystemExit) as caught, failures.explained(host):
        statistics.load(server)
    assert caught.value.code == 3
    connection, _ = silent.accept()
    connection.close()
    with pytest.raises(BlockingIOError):
        silent.accept()


@pytest.fixture
def guarded(tmp_path, run):
    """Give a server that asks who calls, and the key of a caller who may view queues."""
    store = f"sqlite:{tmp_path / 'tasks.db'}"
    key = run("keys", "create", "viewer", "--role", "roles/cloudtasks.viewer", "--store", store)
    live = LiveServer(store=store, auth="keys,oidc")
    yield live.address, key.out.strip()
    live.stop()


@pytest.mark.parametrize(
    "arguments", [LIST, ATTEMPTS, ("queues", "list")], ids=["gRPC", "HTTP", "all locations"]
)
def test_a_caller_without_credentials_learns_which_options_have_them(run, guarded, arguments):
    address, _ = guarded
    result = run(*arguments, "--server", address)
    assert result.status == 1
    assert result.err.startswith("drayman: UNAUTHENTICATED: ")
    assert result.err.endswith(
        "; give --api-key or --token, or set DRAYMAN_API_KEY or DRAYMAN_TOKEN\n"
    )


def test_an_api_key_is_sent_over_grpc_and_http(run, guarded, monkeypatch):
    address, key = guarded
    monkeypatch.setenv("DRAYMAN_API_KEY", key)
    assert run(*LIST, "--server", address).status == 0
    attempts = run(*ATTEMPTS, "--server", address)  # which needs a permission of its own
    assert attempts.err.startswith("drayman: PERMISSION_DENIED: ")


@pytest.mark.parametrize("arguments", [LIST, ATTEMPTS], ids=["gRPC", "HTTP"])
def test_a_token_is_sent_over_grpc_and_http(run, guarded, arguments):
    address, _ = guarded
    result = run(*arguments, "--server", address, "--token", "none-of-ours")
    assert result.err.startswith("drayman: UNAUTHENTICATED: ")
    assert "missing" not in result.err


def test_a_list_of_queues_needs_no_permission_for_statistics(run, guarded):
    address, key = guarded
    table = run(*LIST, "--server", address, "--api-key", key)
    assert (table.status, table.err) == (0, "Listed 0 items.\n")


def test_an_http_server_of_another_kind_is_recognized(run, worker):
    result = run(*ATTEMPTS, "--server", worker.url)
    assert result.status == 1
    assert "UNIMPLEMENTED: HTTP 200 without an error of Cloud Tasks: no Drayman server answers" in (
        result.err
    )


def test_a_server_that_does_not_answer_is_not_reached():
    with pytest.raises(SystemExit) as caught, failures.explained("box:8123"):
        raise exceptions.DeadlineExceeded("Deadline Exceeded")
    assert caught.value.code == 3
    text = failures.describe("box:8123", exceptions.DeadlineExceeded("Deadline Exceeded"))
    assert text.startswith("no answer from box:8123 within 20 seconds; see what listens there")


def test_control_characters_of_an_error_do_not_reach_the_terminal():
    text = failures.describe("box:8123", exceptions.InvalidArgument("a\x1b[2J\n b"))
    assert text == "INVALID_ARGUMENT: a�[2J b (server box:8123)"


@pytest.mark.usefixtures("clean_environment")
def test_ctrl_c_ends_a_command_with_its_status(monkeypatch):
    class Interrupted:
        def readline(self):
            raise KeyboardInterrupt

    command = cli.command()
    monkeypatch.setattr("sys.stdin", Interrupted())
    with pytest.raises(SystemExit) as caught:
        command(["queues", "purge", f"{PARENT}/queues/q"])
    assert caught.value.code == 130
