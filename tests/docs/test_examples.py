"""Every Python example of the README and the docs runs, page by page, against a real server."""

import pytest
from pages import PAGES, ROOT, code_blocks

import processes
from certificates import Authority

EXAMPLES = [
    str(page.relative_to(ROOT))
    for page in PAGES
    if "```python" in page.read_text()
    # The first are tests themselves, the second run on PostgreSQL (tests/e2e/test_outbox.py).
    and page.name not in {"testing.md", "outbox.md"}
]
QUEUES = {"docs/tutorial.md": "queues/letters"}  # which it creates itself


def tls_files(folder):
    """Write the files that a server with TLS and its clients need; return the server's options."""
    authority = Authority()
    identity = authority.issue()
    (folder / "ca.pem").write_bytes(authority.certificate)
    (folder / "server.pem").write_bytes(identity.certificate + identity.key)
    return "--tls-cert", str(folder / "server.pem")


@pytest.mark.parametrize("page", EXAMPLES)
def test_python_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--queue", "projects/dev/locations/here/queues/mail"]
    if page == "docs/tls.md":
        options += tls_files(tmp_path)
    with processes.run_worker() as worker, processes.serve(tmp_path, *options) as server:
        monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", server.grpc_address)
        namespace = {}
        for block in code_blocks(page, "python"):
            code = (
                block.replace("localhost:8123", server.grpc_address)
                .replace("tasks.example.com:8123", server.grpc_address)
                .replace("http://localhost:8080", worker.url)
                .replace("queues/mail", QUEUES.get(page, "queues/mail"))
            )
            exec(compile(code, page, "exec"), namespace)
        if "http://localhost:8080" in (ROOT / page).read_text():
            assert worker.await_delivery().body == b"hello"
