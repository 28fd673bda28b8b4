"""The path helpers build and parse the same names as Google's."""

import inspect

import pytest
from google.cloud import tasks as google
from google.cloud import tasks_v2 as google_tasks

from drayman import tasks

BUILDERS = [
    name
    for name in dir(google_tasks.CloudTasksClient)
    if name.endswith("_path") and not name.startswith("parse_")
]


@pytest.mark.parametrize("client", ["CloudTasksClient", "CloudTasksAsyncClient"])
@pytest.mark.parametrize("name", BUILDERS)
def test_a_path_is_built_and_parsed_as_in_googles_client(name, client):
    googles, ours = google_tasks.CloudTasksClient, getattr(tasks, client)
    build = getattr(ours, name)
    parameters = list(inspect.signature(getattr(googles, name)).parameters)
    assert list(inspect.signature(build).parameters) == parameters
    values = {parameter: f"some/{parameter}" for parameter in parameters}
    path = build(**values)
    assert path == getattr(googles, name)(**values)
    for text in (path, f"{path}\n", f"x/{path}", f"{path}/more", "", "projects//locations//x"):
        parse = f"parse_{name}"
        assert getattr(ours, parse)(text) == getattr(googles, parse)(text)


def test_the_package_has_all_names_of_googles():
    assert set(tasks.__all__) - set(google.__all__) == {"Creation", "http_task"}
    assert all(hasattr(tasks, name) for name in google.__all__)
