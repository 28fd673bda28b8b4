"""What the pages of the documentation refer to exists."""

import re
import shlex

import pytest
from pages import PAGES, ROOT, code_blocks

from drayman import access_setup, cli, settings

MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_commands_are_targets_of_the_makefile(page):
    commands = re.findall(r"^\$ make ([\w-]+)", (ROOT / page).read_text(), re.MULTILINE)
    assert commands
    for command in commands:
        assert re.search(rf"^{command}:", MAKEFILE, re.MULTILINE)


def test_the_worker_of_the_tutorial_is_valid_python():
    (worker,) = code_blocks("docs/tutorial.md", "text")
    compile(worker, "worker.py", "exec")


def serve_commands():
    pattern = re.compile(r"^\$ drayman serve (.*(?:\\\n.*)*)", re.MULTILINE)
    for page in PAGES:
        for command in pattern.findall(page.read_text()):
            yield pytest.param(command, id=f"{page.name}: {command.splitlines()[0]}")


@pytest.mark.parametrize("command", [*serve_commands()])
def test_a_server_can_start_as_the_pages_have_it(command):
    arguments = shlex.split(command.replace("\\\n", " "), comments=True)
    serve = cli.command().commands["serve"]
    params = serve.make_context("serve", arguments).params
    values = {name: value for name, value in params.items() if name not in {"config", "check"}}
    access_setup.check_exposure(settings.load(values, {}))


def test_links_lead_to_files():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.relative_to(ROOT)} links to {link}"


def test_source_files_that_pages_name_exist():
    named = (
        r"`((?:src|tests|docs|bench|tools|examples)/[\w/.-]+|[a-z_0-9]+/[\w/]+\.(?:py|sql|pyi))`"
    )
    for page in PAGES:
        for path in re.findall(named, page.read_text()):
            exists = (ROOT / path).exists() or (ROOT / "src" / "drayman" / path).exists()
            assert exists, f"{page.relative_to(ROOT)} names {path}"


def test_every_decision_is_in_the_list_of_decisions():
    decisions = ROOT / "docs" / "decisions"
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (decisions / "README.md").read_text())
    assert listed == sorted(path.name for path in decisions.glob("[0-9]*.md"))
