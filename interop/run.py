"""Run a program of each client of Cloud Tasks against a server: ``python -m interop.run``.

Each program goes through every call that its client has, and checks answers and errors; the
target records what is delivered. One line is printed for each client. A client is skipped if its
toolchain is absent, or what it needs cannot be downloaded: that is no defect of this project.
The exit status is 1 if a program fails.
"""

import argparse
import asyncio
import base64
import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import uvloop

from drayman.core.clock import SECOND, SystemClock
from drayman.server import Server
from drayman.settings import load
from interop.clients import BUILD, CACHES, CLIENTS, SOURCES, Client, Language
from interop.target import Delivery, Target

PROJECT = "projects/interop"
WORKERS = 2
"""Languages at a time: most have one program that waits for another."""
FETCH_TIMEOUT = 240
"""Seconds for the downloads of a language."""
BUILD_TIMEOUT = 1_200
"""Seconds for compiling the programs of a language."""
PROGRAM_TIMEOUT = 600
"""Seconds for a program."""
DELIVERY_TIMEOUT = 30
"""Seconds until what the program has created is delivered."""


class Unsuccessful(Exception):
    """A client's program did not get through; the message says why."""

    verdict: str


class Skipped(Unsuccessful):
    """A client cannot be run here."""

    verdict = "skipped"


class Failed(Unsuccessful):
    """A program does not compile, ends with an error, or leaves something out."""

    verdict = "FAILED"


class Result(NamedTuple):
    """What became of a client: its name, a verdict (ok, skipped or FAILED) and the particulars."""

    client: str
    verdict: str
    text: str


def run(
    command: Sequence[str], folder: Path, seconds: float, variables: dict[str, str]
) -> list[str]:
    """Run a command; return the lines of its standard output. Raises Failed."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"not done within {seconds} s") from None
    if done.returncode:
        raise Failed(problem(done.returncode, done.stderr or done.stdout))
    return done.stdout.splitlines()


def problem(status: int, output: str) -> str:
    """Return what a program that failed has printed last."""
    return f"exit status {status}: " + " | ".join(output.strip().splitlines()[-6:])


def prepare(language: Language) -> None:
    """Copy a language's programs, download what they need and compile them.

    Raises Skipped if that is impossible here, and Failed if they do not compile.
    """
    for tool in language.tools:
        if shutil.which(tool) is None:
            raise Skipped(f"{tool} is not installed")
    folder = BUILD / language.name
    shutil.copytree(SOURCES / language.name, folder, dirs_exist_ok=True)
    try:
        fetch(language, folder)
    except Failed as error:
        raise Skipped(f"downloads failed: {error}") from None
    if language.build:
        offline = CACHES | {"GOPROXY": "off"}
        run(language.build, folder, BUILD_TIMEOUT, offline)


def fetch(language: Language, folder: Path) -> None:
    """Download what a language's programs need."""
    if language.fetch:
        run(language.fetch, folder, FETCH_TIMEOUT, CACHES)


def version(client: Client) -> str:
    """Return the version of a client, from the manifest that pins it or its own output."""
    if client.manifest:
        text = (SOURCES / client.language.name / client.manifest).read_text()
    else:
        text = "\n".join(run([client.name, "version"], SOURCES, PROGRAM_TIMEOUT, {}))
    pinned = re.search(rf"{re.escape(client.package)}\D*([\d.]+)", text)
    return f"{client.package} {pinned[1] if pinned else 'of unknown version'}"


def location_of(client: Client) -> str:
    """Return the location that a client has for itself."""
    return f"{PROJECT}/locations/{client.name.replace('_', '-')}"


def key_of(location: str) -> str:
    """Return the name of the KMS key that a program sets."""
    return f"{location}/keyRings/interop/cryptoKeys/key"


def check_client(client: Client, port: int, target: Target) -> str:
    """Run a client's program, and check its calls and deliveries; return what was checked."""
    started = SystemClock().now()
    home = BUILD / "home"
    home.mkdir(parents=True, exist_ok=True)
    arguments = (f"localhost:{port}", location_of(client), f"{target.url}/{client.name}")
    # With an empty home, a program finds no credentials.
    calls = run(
        (*client.command, *arguments),
        BUILD / client.language.name,
        PROGRAM_TIMEOUT,
        {"HOME": str(home)},
    )
    check_calls(client, calls)
    prefix = f"/{client.name}/"
    target.wait(prefix, expected_attempts(client), DELIVERY_TIMEOUT)
    check_deliveries(client, target.deliveries(prefix))
    seconds = (SystemClock().now() - started) / SECOND
    deliveries = len(client.deliveries)
    return f"{version(client)}: {len(client.calls)} calls, {deliveries} deliveries, {seconds:.1f} s"


def check_calls(client: Client, calls: Sequence[str]) -> None:
    """Raise Failed unless a program has checked exactly the calls of its client."""
    if missing := client.calls.difference(calls):
        raise Failed(f"not checked: {', '.join(sorted(missing))}")
    if unknown := set(calls) - client.calls:
        raise Failed(f"not a call of this client: {', '.join(sorted(unknown))}")


def expected_attempts(client: Client) -> int:
    """Return how many deliveries a client's program causes."""
    return len(client.deliveries) + ("retry" in client.deliveries)


def expected_deliveries(client: Client) -> dict[str, list[Delivery]]:
    """Return what the target has to receive, by task; ``retry`` is refused once."""
    return {
        task: [expected_delivery(task, retries) for retries in range(1 + (task == "retry"))]
        for task in client.deliveries
    }


def expected_delivery(task: str, retries: int) -> Delivery:
    """Return what the target has to receive for an attempt."""
    if task == "buffer":  # gcloud sends no headers, and an empty object
        return Delivery("POST", "buffered", str(retries), None, b"{}")
    return Delivery("POST", "letters", str(retries), "yes", b"hello")


def check_deliveries(client: Client, deliveries: dict[str, list[Delivery]]) -> None:
    """Raise Failed unless exactly the tasks of a client's program were delivered."""
    expected = expected_deliveries(client)
    for task in sorted(expected | deliveries):
        if expected.get(task) != deliveries.get(task):
            raise Failed(f"delivered for {task}: {deliveries.get(task)}, not {expected.get(task)}")


def check_language(
    language: Language, clients: Sequence[Client], port: int, target: Target
) -> list[Result]:
    """Return the results of clients, all of one language."""
    try:
        prepare(language)
    except Unsuccessful as error:
        return [Result(client.name, error.verdict, str(error)) for client in clients]
    return [client_result(client, port, target) for client in clients]


def client_result(client: Client, port: int, target: Target) -> Result:
    """Run a client's program; return its result."""
    try:
        return Result(client.name, "ok", check_client(client, port, target))
    except Unsuccessful as error:
        return Result(client.name, error.verdict, str(error))


def by_language(clients: Sequence[Client]) -> dict[Language, list[Client]]:
    """Return the clients of each language that has some."""
    languages = dict.fromkeys(client.language for client in clients)
    return {
        language: [client for client in clients if client.language is language]
        for language in languages
    }


@contextlib.contextmanager
def serving(target: Target) -> Iterator[Target]:
    """Let a target receive deliveries in a thread."""
    thread = threading.Thread(target=target.serve_forever)
    with target:
        thread.start()
        try:
            yield target
        finally:
            target.shutdown()
            thread.join()


def check_clients(clients: Sequence[Client], port: int) -> list[Result]:
    """Run the programs of clients, some languages at a time, and print a line for each client."""
    results = []
    with serving(Target()) as target, ThreadPoolExecutor(WORKERS) as pool:
        checks = [
            pool.submit(check_language, language, programs, port, target)
            for language, programs in by_language(clients).items()
        ]
        for check in as_completed(checks):
            results += check.result()
            print(lines(check.result()), flush=True)
    return results


def lines(results: Sequence[Result]) -> str:
    """Return a line for each result."""
    return "\n".join(f"{each.verdict:8} {each.client:20} {each.text}" for each in results)


def write_keys(folder: Path, clients: Sequence[Client]) -> Path:
    """Write a key for the location of each client; return the file."""
    path = folder / "keys.yaml"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    for client in clients:
        key = base64.b64encode(os.urandom(32)).decode()
        with path.open("a") as file:
            file.write(f"{key_of(location_of(client))}: {key}\n")
    return path


async def serve(clients: Sequence[Client]) -> list[Result]:
    """Run a server, and the programs of clients against it."""
    BUILD.mkdir(parents=True, exist_ok=True)
    keys = write_keys(BUILD, clients)
    server = Server(load({"port": "0", "store": "memory", "key_file": str(keys)}, {}))
    await server.start()
    try:
        return await asyncio.to_thread(check_clients, clients, server.port)
    finally:
        await server.stop()


def select(names: Sequence[str]) -> list[Client]:
    """Return the clients whose name or language is among those given; all without names."""
    return [
        client
        for client in CLIENTS
        if not names or client.name in names or client.language.name in names
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the programs; return the exit status."""
    names = sorted({each.name for each in CLIENTS} | {each.language.name for each in CLIENTS})
    parser = argparse.ArgumentParser(description="Run a program of each client of Cloud Tasks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(names)}")
    chosen = parser.parse_args(arguments).names
    if unknown := set(chosen).difference(names):
        parser.error(f"no such client or language: {', '.join(sorted(unknown))}")
    results = uvloop.run(serve(select(chosen)))
    return int(any(result.verdict == "FAILED" for result in results))


if __name__ == "__main__":
    sys.exit(main())
