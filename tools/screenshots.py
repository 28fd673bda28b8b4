"""Write the pictures of docs/console.md: the console of a server with a shop's tasks, in Chromium.

python tools/screenshots.py [DIRECTORY]

The server is that of the testing kit: its clock is moved through a quarter of an hour of work.
Needs Chromium and playwright.
"""

import datetime
import json
import math
import random
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from drayman import tasks
from drayman.testing import Reply, Server

IMAGES = Path(__file__).parents[1] / "docs" / "images"
LOCATION = "projects/shop/locations/europe-west1/queues"
STEP = 15
"""Seconds between two bursts of tasks."""
LIST, DESKTOP, PHONE = (1180, 500), (1180, 760), (360, 720)
SCREENS = (
    ("queues", "", "light", LIST),
    ("queue-dark", f"{LOCATION}/mail", "dark", DESKTOP),
    ("task", f"{LOCATION}/invoices/tasks/invoice-2041", "light", DESKTOP),
    ("phone", f"{LOCATION}/webhooks/deadLetters", "light", PHONE),
)
"""Name, page, colours and size of each picture."""
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def main() -> None:
    """Write the pictures."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    directory.mkdir(parents=True, exist_ok=True)
    with Server() as server, sync_playwright() as playwright:
        work(server)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS
        )
        for name, path, colours, size in SCREENS:
            shoot(
                browser, f"http://{server.address}/console/{path}", directory / name, colours, size
            )
        browser.close()


def shoot(browser: Browser, url: str, file: Path, colours: str, size: tuple[int, int]) -> None:
    """Write the picture of a page."""
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=colours,  # type: ignore[arg-type]
    )
    page.goto(url)
    page.screenshot(path=f"{file}.png")
    page.close()


def work(server: Server) -> None:
    """Let a quarter of an hour pass in the queues of a shop."""
    numbers = random.Random(17)
    server.respond("https://partner.example/*", Reply(503, body=b"upstream is down"))
    server.respond("https://shop.example/invoices*", [Reply(500, body=b"printer on fire")] * 3)
    for name, limits in {
        "mail": {"max_dispatches_per_second": 50},
        "invoices": {"max_attempts": 10},
        "webhooks": {"max_attempts": 2},
        "thumbnails": {"max_concurrent_dispatches": 20},
        "nightly-reports": {},
    }.items():
        server.queue(f"{LOCATION}/{name}", **limits)
    with server.client() as client:
        for step in range(15 * 60 // STEP):
            wave = 9 + 6 * math.sin(step / 7) + numbers.randint(-2, 3)
            fill(client, "mail", "https://shop.example/mail", int(wave), step)
            fill(client, "thumbnails", "https://shop.example/thumbnail", int(16 - wave), step)
            fill(client, "webhooks", "https://partner.example/orders", int(step % 11 == 0), step)
            server.advance(seconds=STEP)
        invoice(client)
        server.advance(seconds=0.5)
        now = server.clock.now
        client.pause_queue(name=f"{LOCATION}/nightly-reports")
        for number in range(3):
            night = now + datetime.timedelta(hours=14, minutes=10 * number)
            add(client, "nightly-reports", f"https://shop.example/reports/{number}", number, night)
        for number in range(14):
            soon = now + datetime.timedelta(seconds=40 * (number + 1))
            add(client, "mail", "https://shop.example/mail", 900 + number, soon)


def fill(client: tasks.CloudTasksClient, queue: str, url: str, count: int, step: int) -> None:
    """Create some tasks that are due now."""
    for number in range(count):
        add(client, queue, url, 100 * step + number)


def add(
    client: tasks.CloudTasksClient,
    queue: str,
    url: str,
    number: int,
    at: datetime.datetime | None = None,
) -> None:
    """Create a task about an order."""
    task = tasks.http_task(url, json={"order": number, "to": "ada@example.com"}, at=at)
    client.create_task(parent=f"{LOCATION}/{queue}", task=task)


def invoice(client: tasks.CloudTasksClient) -> None:
    """Create a task that fails, and is tried again."""
    lines = [{"article": "tea", "count": 2, "price": "4.50"}, {"article": "cup", "count": 1}]
    body = {"invoice": 2041, "customer": {"name": "Ada", "country": "GB"}, "lines": lines}
    request = {
        "url": "https://shop.example/invoices/2041",
        "headers": {"Content-Type": "application/json", "X-Request-Id": "4f1c2a"},
        "body": json.dumps(body).encode(),
    }
    sampled = {
        "name": f"{LOCATION}/invoices",
        "stackdriver_logging_config": {"sampling_ratio": 1.0},
    }
    client.update_queue(queue=sampled, update_mask={"paths": ["stackdriver_logging_config"]})
    name = f"{LOCATION}/invoices/tasks/invoice-2041"
    client.create_task(parent=f"{LOCATION}/invoices", task={"name": name, "http_request": request})


if __name__ == "__main__":
    main()
