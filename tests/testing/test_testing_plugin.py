"""The plugin costs nothing before a fixture is used, and works with other plugins."""

import re
import textwrap
import tomllib
from pathlib import Path

import pytest

import plugin_runs

ROOT = Path(__file__).parents[2]

ENQUEUE = """
    from drayman import tasks

    def enqueue(server):
        task = tasks.http_task("https://a.example")
        name = f"{server.queue('mail')}/tasks/one"  # taken, if another test left it
        task.name = name
        server.client().create_task(parent=server.queue("mail"), task=task)
    """
TEN_TESTS = """
    import pytest
    from enqueue import enqueue

    @pytest.mark.parametrize("number", range(10))
    def test_a_task_is_delivered(cloud_tasks, number):
        cloud_tasks.assert_empty()
        enqueue(cloud_tasks)
        cloud_tasks.advance(days=number)
        cloud_tasks.assert_delivered(count=1)
    """


def run(folder, test, *arguments):
    (folder / "enqueue.py").write_text(textwrap.dedent(ENQUEUE))
    (folder / "test_it.py").write_text(textwrap.dedent(test))
    return plugin_runs.run_pytest(folder, *arguments)


def assert_passed(outcome, count):
    assert outcome.returncode == 0, outcome.stdout
    assert re.search(rf"\b{count} passed in", outcome.stdout), outcome.stdout


def test_pytest_finds_the_plugin_by_its_entry_point():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (entry,) = project["entry-points"]["pytest11"].items()
    assert entry == ("drayman.testing.plugin", "drayman.testing.plugin")


def test_nothing_is_imported_before_a_fixture_is_used(tmp_path):
    test = """
        import sys

        def test_it():
            modules = {name for name in sys.modules if name.startswith("drayman")}
            assert modules == {"drayman", "drayman.testing", "drayman.testing.plugin"}
            assert not sys.modules.keys() & {"grpc", "google.protobuf", "starlette"}
        """
    assert_passed(run(tmp_path, test), 1)


def test_each_test_gets_an_empty_server_at_the_present_time(tmp_path):
    assert_passed(run(tmp_path, TEN_TESTS), 10)


def test_each_process_of_xdist_has_a_server_of_its_own(tmp_path):
    test = """
        import os
        from pathlib import Path

        import pytest
        from enqueue import enqueue

        @pytest.mark.parametrize("number", range(20))
        def test_a_task_is_delivered(cloud_tasks, number):
            worker = Path(os.environ["PYTEST_XDIST_WORKER"])
            worker.write_text(cloud_tasks.address)
            enqueue(cloud_tasks)
            assert cloud_tasks.run_all() == 1
        """
    assert_passed(run(tmp_path, test, "-n", "2"), 20)
    addresses = [(tmp_path / worker).read_text() for worker in ("gw0", "gw1")]
    assert addresses[0] != addresses[1]


def test_the_environment_names_the_server_during_the_test_alone(tmp_path):
    test = """
        import os

        VARIABLE = "CLOUD_TASKS_EMULATOR_HOST"

        def test_with(cloud_tasks):
            assert os.environ[VARIABLE] == cloud_tasks.address

        def test_without():
            assert VARIABLE not in os.environ
        """
    assert_passed(run(tmp_path, test), 2)


def test_an_application_of_the_session_can_keep_its_client(tmp_path):
    test = """
        import os

        import pytest
        from drayman import tasks

        @pytest.fixture(scope="session")
        def client(cloud_tasks_session):
            return tasks.CloudTasksClient()

        @pytest.mark.parametrize("number", range(2))
        def test_it(cloud_tasks, client, number):
            cloud_tasks.assert_empty()
            task = tasks.http_task("https://a.example")
            client.create_task(parent=cloud_tasks.queue("mail"), task=task)
            cloud_tasks.assert_enqueued(count=1)

        def test_the_address_stays():
            assert os.environ["CLOUD_TASKS_EMULATOR_HOST"]
        """
    assert_passed(run(tmp_path, test), 3)


def test_the_server_of_the_session_can_have_settings(tmp_path):
    (tmp_path / "conftest.py").write_text(
        textwrap.dedent("""
            import pytest
            from drayman.testing import Server

            @pytest.fixture(scope="session")
            def cloud_tasks_server():
                server = Server(schedule_horizon="90d")
                yield server
                server.close()
            """)
    )
    test = """
        from drayman import tasks

        def test_it(cloud_tasks):
            task = tasks.http_task("https://a.example", delay=80 * 86_400)
            cloud_tasks.client().create_task(parent=cloud_tasks.queue("mail"), task=task)
            cloud_tasks.assert_enqueued(count=1)
        """
    assert_passed(run(tmp_path, test), 1)


@pytest.mark.parametrize("mark", ["asyncio", "anyio"])
def test_tests_in_an_event_loop_work(tmp_path, mark):
    test = f"""
        import pytest
        from enqueue import enqueue

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.{mark}
        async def test_it(async_cloud_tasks):
            async def work(delivery):
                return 200

            async_cloud_tasks.respond("*", work)
            enqueue(async_cloud_tasks)
            assert await async_cloud_tasks.run_all() == 1
        """
    assert_passed(run(tmp_path, test), 1)


def test_an_application_of_django_runs_over_asgi(tmp_path):
    test = """
        import asyncio
        import django
        from django.conf import settings
        from django.core.asgi import get_asgi_application
        from django.http import HttpResponse
        from django.urls import path
        from django.views.decorators.csrf import csrf_exempt
        from enqueue import enqueue

        bodies = []

        @csrf_exempt
        async def work(request):
            await asyncio.to_thread(lambda: None)
            bodies.append(request.body)
            return HttpResponse(status=202)

        urlpatterns = [path("", work)]
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["a.example"])
        django.setup()

        def test_it(cloud_tasks):
            cloud_tasks.deliver_to(get_asgi_application())
            enqueue(cloud_tasks)
            cloud_tasks.run_all()
            cloud_tasks.assert_delivered(status=202, count=1)
            assert bodies == [b""]
        """
    assert_passed(run(tmp_path, test), 1)


def test_a_failure_points_to_the_test(tmp_path):
    test = """
        def test_it(cloud_tasks):
            cloud_tasks.assert_enqueued(url="https://a.example")
        """
    outcome = run(tmp_path, test, "--tb=short")
    assert "no pending task matches: url='https://a.example'" in outcome.stdout
    assert "assertions.py" not in outcome.stdout
