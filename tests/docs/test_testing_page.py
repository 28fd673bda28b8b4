"""The examples of the page on testing run under pytest, as a project of a user would run them."""

import re

from pages import code_blocks

import plugin_runs

PAGE = "docs/testing.md"


def test_the_examples_of_the_page_pass(tmp_path):
    blocks = code_blocks(PAGE, "python")
    assert len(blocks) == len(re.findall(r"^# \w+\.py$", "\n".join(blocks), re.MULTILINE)) == 9
    for block in blocks:
        name, _, _ = block.removeprefix("# ").partition("\n")
        (tmp_path / name).write_text(block)
    outcome = plugin_runs.run_pytest(tmp_path)
    assert outcome.returncode == 0, outcome.stdout
    assert re.search(r"11 passed in", outcome.stdout), outcome.stdout
