"""Every Python example of the README and the docs runs, page by page, against a real server."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import processes  # noqa: E402 - after its folder is known

PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("**/*.md"))
    if "```python" in page.read_text()
)
QUEUES = {"docs/tutorial.md": "queues/letters"}  # which it creates itself


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL
    )


@pytest.mark.parametrize("page", PAGES)
def test_python_examples_run(page, tmp_path, monkeypatch):
    with (
        processes.run_worker() as worker,
        processes.serve(tmp_path, "--queue", "projects/dev/locations/here/queues/mail") as server,
    ):
        monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", server.grpc_address)
        here = {}
        for block in blocks(page, "python"):
            code = (
                block.replace("localhost:8123", server.grpc_address)
                .replace("http://localhost:8080", worker.url)
                .replace("queues/mail", QUEUES.get(page, "queues/mail"))
            )
            exec(compile(code, page, "exec"), here)
        if "http://localhost:8080" in (ROOT / page).read_text():
            assert worker.await_delivery().body == b"hello"


def test_commands_of_the_readme_are_those_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for line in re.findall(r"^\$ make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert re.search(rf"^{line}:", makefile, re.MULTILINE)


def test_tutorials_worker_is_valid_python():
    (worker,) = blocks("docs/tutorial.md", "text")
    compile(worker, "worker.py", "exec")


def test_links_lead_somewhere():
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.relative_to(ROOT)} links to {link}"
