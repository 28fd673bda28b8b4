"""Chromium for the tests of the console, driven by playwright."""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

from live import PATIENCE

REQUIRED = "DRAYMAN_REQUIRE_CHROMIUM"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
"""No sandbox, which root cannot have; and no requests but those of pages."""
FAILED_REQUESTS = ("Failed to load resource", "htmx:sendError", "htmx:afterRequest")


def launch():
    """Yield a browser; skip the test without Chromium, unless the environment requires it."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, but there is no chromium")
        pytest.skip("there is no chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


def open_page(browser, address, **options):
    """Yield a page of a new session of the browser; fail if it loads or runs what it should not."""
    context = browser.new_context(base_url=f"{address}/console/", **options)
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if is_problem(line) else None)
    page.on("dialog", lambda dialog: problems.append(dialog.message) or dialog.dismiss())
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(f"{address}/console/") else problems.append(request.url)
        ),
    )
    yield page
    context.close()
    assert problems == []


def is_problem(line):
    """Return whether a line of the browser's console is an error, besides failed requests."""
    return line.type in {"error", "warning"} and not line.text.startswith(FAILED_REQUESTS)
