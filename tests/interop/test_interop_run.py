"""What the runner of the clients' programs checks and reports."""

import os
import urllib.error
import urllib.request

import pytest

from interop import clients, run
from interop.clients import Client, Language
from interop.target import Delivery, Target


def client_of(**fields):
    defaults = {
        "name": "some",
        "language": Language("python"),
        "command": (),
        "package": "google-cloud-tasks",
        "manifest": "../../constraints.txt",
    }
    return Client(**defaults | fields)


def first(retries="0"):
    return Delivery("POST", "letters", retries, "yes", b"hello")


@pytest.fixture
def target():
    with run.serving(Target()) as target:
        yield target


def test_a_client_has_every_call_of_the_table_but_those_that_are_listed():
    some = client_of(absent=clients.CMEK, extra=frozenset({"BufferTask"}))
    assert clients.CALLS - some.calls == clients.CMEK
    assert some.calls - clients.CALLS == {"BufferTask"}
    assert len(clients.CALLS) == 23


def test_a_program_that_leaves_out_a_call_fails():
    calls = sorted(clients.CALLS)
    run.check_calls(client_of(), calls)
    with pytest.raises(run.Failed, match=r"^not checked: BatchCreateTasks$"):
        run.check_calls(client_of(), calls[1:])


def test_a_program_that_reports_a_call_its_client_is_said_to_lack_fails():
    with pytest.raises(run.Failed, match=r"^not a call of this client: GetCmekConfig, Up"):
        run.check_calls(client_of(absent=clients.CMEK), sorted(clients.CALLS))


def test_deliveries_have_to_be_those_of_the_program():
    some = client_of(deliveries=("first", "retry"))
    deliveries = {"first": [first()], "retry": [first(), first("1")]}
    run.check_deliveries(some, deliveries)
    for wrong in (
        {"first": [first()]},
        deliveries | {"retry": [first()]},
        deliveries | {"purged": [first()]},
        deliveries | {"first": [first()._replace(body=b"")]},
    ):
        with pytest.raises(run.Failed, match=r"^delivered for "):
            run.check_deliveries(some, wrong)


def test_a_missing_tool_skips_its_clients(target):
    language = Language("python", tools=("no-such-tool",))
    results = run.check_language(language, [client_of()], 0, target)
    assert run.lines(results) == "skipped  some                 no-such-tool is not installed"


def test_downloads_that_fail_skip_and_programs_that_do_not_compile_fail(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "BUILD", tmp_path)
    fails = ("sh", "-c", "echo no route >&2; exit 3")
    with pytest.raises(run.Skipped, match=r"^downloads failed: exit status 3: no route$"):
        run.prepare(Language("python", fetch=fails))
    with pytest.raises(run.Failed, match=r"^exit status 3: no route$"):
        run.prepare(Language("python", fetch=("true",), build=fails))


def test_a_program_that_does_not_end_fails(tmp_path):
    with pytest.raises(run.Failed, match=r"^not done within 0\.01 s$"):
        run.run(("tail", "-f", os.devnull), tmp_path, 0.01, {})


@pytest.mark.parametrize("client", [each for each in clients.CLIENTS if each.manifest])
def test_the_version_of_a_client_is_pinned_by_its_manifest(client):
    assert run.version(client).removeprefix(f"{client.package} ")[0].isdigit()


def test_names_choose_clients_or_languages():
    assert [each.name for each in run.select(["gcloud", "node"])] == [
        "node-grpc",
        "node-rest",
        "gcloud",
    ]
    assert run.select([]) == [*clients.CLIENTS]


def test_an_unknown_name_is_an_error(capsys):
    with pytest.raises(SystemExit):
        run.main(["cobol"])
    assert "no such client or language: cobol" in capsys.readouterr().err


def test_each_client_has_a_location_and_a_key_of_its_own(tmp_path):
    text = run.write_keys(tmp_path, clients.CLIENTS).read_text()
    names = [line.partition(":")[0] for line in text.splitlines()]
    assert len(set(names)) == len(clients.CLIENTS)
    assert (
        names[1] == "projects/interop/locations/python-grpc-asyncio/keyRings/interop/cryptoKeys/key"
    )


def test_the_target_refuses_the_first_delivery_of_retry_alone(target):
    def post(path):
        try:
            return urllib.request.urlopen(target.url + path, b"hello").status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    assert [post("/a/retry"), post("/a/retry"), post("/a/first"), post("/b/first")] == [
        503,
        200,
        200,
        200,
    ]
    assert {task: len(each) for task, each in target.deliveries("/a/").items()} == {
        "retry": 2,
        "first": 1,
    }
