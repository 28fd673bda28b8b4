"""The load generator: a process of its own that sends one load after another."""

import contextlib
from collections.abc import Iterator
from multiprocessing.connection import Connection

import uvloop

from bench import load, processes
from bench.errors import Unmeasurable

ANSWER_SECONDS = 60
"""How long the last answers of a load may take."""


class Generator:
    """The harness's end of the load generator."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def run(self, job: load.Load) -> load.Result:
        """Send a load. Unmeasurable, if a call fails or is not answered."""
        self._pipe.send(job)
        if not self._pipe.poll(job.seconds + ANSWER_SECONDS):
            raise SystemExit(f"calls of {job.path} were not answered in {ANSWER_SECONDS} s")
        result = self._pipe.recv()
        if isinstance(result, Exception):
            raise result
        return result


@contextlib.contextmanager
def start() -> Iterator[Generator]:
    """Run a load generator until the block ends."""
    ours, theirs = processes.SPAWN.Pipe()
    with processes.spawned(_serve, theirs):
        yield Generator(ours)


def _serve(pipe: Connection) -> None:
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            pipe.send(_run(pipe.recv()))


def _run(job: load.Load) -> load.Result | Unmeasurable:
    try:
        return uvloop.run(load.run(job))
    except Unmeasurable as error:
        return error
