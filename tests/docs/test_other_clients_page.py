"""The page about other clients shows the set-up of programs that ``make interop-clients`` runs."""

import re
import textwrap

import pytest
from pages import ROOT, code_blocks

PAGE = "docs/other-clients.md"
PROGRAMS = {
    "python": ["python/program.py"],
    "js": ["node/program.mjs"],
    "go": ["go/main.go"],
    "java": ["java/Program.java"],
    "rust": ["rust/src/main.rs"],
    "sh": ["go/grpcurl.sh", "gcloud/gcloud.sh"],
}
"""The programs of each language of code blocks, in the order of the page."""
REGION = re.compile(
    r"^\s*(?:#|//) begin docs\n(.*?)^\s*(?:#|//) end docs$", re.MULTILINE | re.DOTALL
)


def set_up(path):
    """Return the marked regions of a program, with an empty line between them."""
    regions = REGION.findall((ROOT / "interop" / path).read_text())
    return (
        "\n\n".join(textwrap.dedent(region.expandtabs(4)).strip("\n") for region in regions) + "\n"
    )


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_page_shows_what_the_programs_run(language):
    assert code_blocks(PAGE, language) == [set_up(path) for path in PROGRAMS[language]]


def test_every_code_block_is_of_a_program():
    languages = re.findall(r"^```(\w+)$", (ROOT / PAGE).read_text(), re.MULTILINE)
    assert set(languages) == set(PROGRAMS)
