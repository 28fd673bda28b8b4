"""The page on deployment names files, settings and targets that exist."""

import re
import shlex

import pytest
from pages import ROOT, code_blocks

from drayman.access import roles
from drayman.edge import limits
from drayman.settings import OPTIONS

PAGE = "docs/deploy.md"
TEXT = (ROOT / PAGE).read_text()
COMMANDS = [
    shlex.split(line.removeprefix("$ "))
    for block in code_blocks(PAGE, "console")
    for line in block.splitlines()
]


def test_files_of_commands_exist():
    paths = {word for command in COMMANDS for word in command if word.startswith("deploy/")}
    assert paths
    assert all((ROOT / path).exists() for path in paths)


def test_all_files_for_deployment_are_on_the_page():
    folder = ROOT / "deploy"
    paths = [path for pattern in ("*", "kubernetes/*") for path in folder.glob(pattern)]
    names = {path.name for path in paths if path.is_file()}
    assert {name for name in names if name not in TEXT} == {"Dockerfile.dockerignore"}


def test_variables_and_options_are_settings():
    named = set(re.findall(r"DRAYMAN_[A-Z_]*[A-Z]", TEXT)) - {"DRAYMAN_"}
    assert named <= {option.variable for option in OPTIONS}


def test_roles_and_figures_are_the_servers():
    assert set(re.findall(r"roles/[a-zA-Z.]+", TEXT)) <= set(roles.ROLES)
    assert f"{limits.CONNECTIONS_OF_ADDRESS:,} connections of one address" in TEXT


@pytest.mark.parametrize("target", re.findall(r"`make ([a-z-]+)`", TEXT))
def test_targets_of_make_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
