"""The examples of the page on testing run as a user would run them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT, code_blocks

import plugin_runs
import processes

PAGE = "docs/testing.md"
SUITES = sorted((ROOT / "examples" / "testing").glob("*.py"))
PATIENCE = 6 * processes.PATIENCE
"""Seconds for a program that starts others, on a busy machine."""
QUEUE = "projects/shop/locations/here/queues/mail"


@pytest.fixture
def server(tmp_path):
    """Give the server that the page starts for tests in other languages."""
    options = ["--manual-clock", "--queue", QUEUE]
    with processes.serve(tmp_path, *options, store="memory") as served:
        yield served.grpc_address


def run(command, folder, **variables):
    """Run a command; return what it prints."""
    ended = subprocess.run(
        command, cwd=folder, check=False, text=True, env=os.environ | variables,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_calls_with_curl_return_what_the_page_has(server, tmp_path):
    (block,) = (each for each in code_blocks(PAGE, "console") if "curl" in each)
    session = re.findall(r"^\$ ((?:.|\n )*)\n((?:[^$].*\n)*)", block, re.MULTILINE)
    script = "\n".join(command for command, _ in session)
    expected = "".join(output for _, output in session)
    printed = run(["bash", "-ec", script.replace("localhost:8123", server)], tmp_path)
    assert "".join(printed.split()) == "".join(expected.split())


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_example_for_node_passes(server, tmp_path):
    (block,) = code_blocks(PAGE, "js")
    (tmp_path / "mail.test.mjs").write_text(block)
    run(["node", "--test", "mail.test.mjs"], tmp_path, DRAYMAN=f"http://{server}")


def test_the_examples_of_the_page_pass_in_two_processes(tmp_path):
    blocks = code_blocks(PAGE, "python")
    for block in blocks:
        path, _, code = block.removeprefix("# ").partition("\n")
        assert path.endswith(".py")
        (tmp_path / Path(path).name).write_text(code)
    outcome = plugin_runs.run_pytest(tmp_path, "-n", "2")
    assert outcome.returncode == 0, outcome.stdout
    assert re.search(r"\b24 passed in", outcome.stdout), outcome.stdout


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_the_page_has_each_suite_as_it_is(path):
    block = f"# {path.relative_to(ROOT)}\n{path.read_text()}"
    assert block in code_blocks(PAGE, "python")


def test_the_suite_for_unittest_passes_without_pytest(tmp_path):
    suite = str(ROOT / "examples" / "testing" / "test_plain.py")
    source = str(ROOT / "src")
    run([sys.executable, "-W", "error", suite], tmp_path, PYTHONPATH=source)
