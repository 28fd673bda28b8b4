"""What authentication adds to a CreateTask: the CPU time of its handler, with and without.

    python -m bench.access [--rounds 100]

One store, and three handlers of CreateTask on it: without authentication; with an API key whose
role holds on the whole server; with one whose role is in the policy of the queue. Each round runs
64 callers of each, in turns, so that what else the machine does meets all alike.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

import uvloop
from google.iam.v1 import policy_pb2

from bench import messages
from drayman import access_setup, process
from drayman.access import keys
from drayman.api.context import Context
from drayman.core.clock import SystemClock
from drayman.core.document import API_KEY, Document
from drayman.core.limits import Limits
from drayman.core.queue import Queue, State, creation
from drayman.edge import methods
from drayman.encryption.cipher import TaskCipher
from drayman.encryption.locations import LocationKeys
from drayman.encryption.tasks import TaskEncryption
from drayman.settings import Settings
from drayman.store.contract import Store
from drayman.store.sqlite.database import MEMORY, open_store

CALLERS = 64
CALLS = 20
"""Calls of each caller in a round."""
ENQUEUER = "roles/cloudtasks.enqueuer"
OPEN = "no authentication"
SERVER_ROLE = "an API key, its role on the server"
QUEUE_ROLE = "an API key, its role by a policy"
QUEUE = messages.queue_name("q")
CLOCK = SystemClock()


async def save_key(store: Store, name: str, *roles: str) -> tuple[str, bytes]:
    """Save a key; return its member and its text."""
    key, text = keys.generate(name, "", roles, CLOCK.now())
    await store.put_document(Document(API_KEY, key.id, keys.encode(key)))
    return key.member, text.encode()


def handler(store: Store, settings: Settings) -> Any:
    """Return the handler of CreateTask of a server with these settings."""
    cipher = TaskCipher({})
    encryption = TaskEncryption(cipher, LocationKeys(store, CLOCK, cipher))
    configured = access_setup.load(settings)
    access = access_setup.build(settings, configured, store, CLOCK, "", ignore)
    context = Context(store, CLOCK, Limits(), encryption, ignore, "", access)
    return methods.of_api(context)[messages.path("CreateTask").encode()].handler


def ignore(_event: object) -> None:
    """Take an event."""


async def measure(handle: Callable[..., Any], key: bytes) -> float:
    """Return the CPU time of this process for a call, in µs."""
    body = messages.create_task(QUEUE, messages.IDLE_URL, messages.tomorrow())
    loop = asyncio.get_running_loop()

    async def call_repeatedly() -> None:
        for _ in range(CALLS):
            # Each request brings its own copy of the key, and a task runs its handler.
            fields = {b":path": b"/", b"te": b"trailers", b"x-goog-api-key": bytes(bytearray(key))}
            await loop.create_task(handle(body, None, fields))

    before = time.process_time()
    await asyncio.gather(*(call_repeatedly() for _ in range(CALLERS)))
    return (time.process_time() - before) / (CALLERS * CALLS) * 1e6


async def compare(rounds: int) -> None:
    """Print a line for each kind."""
    store = await open_store(MEMORY, Limits(), CLOCK.now())
    _, by_server = await save_key(store, "by-server", ENQUEUER)
    member, by_policy = await save_key(store, "by-policy")
    policy = policy_pb2.Policy(bindings=[{"role": ENQUEUER, "members": [member]}])
    queue = Queue(QUEUE, state=State.PAUSED, policy=policy.SerializeToString())
    await store.update_queue(QUEUE, creation(queue), CLOCK.now())
    with_keys = Settings(auth="keys")
    kinds = {
        OPEN: (handler(store, Settings()), by_server),
        SERVER_ROLE: (handler(store, with_keys), by_server),
        QUEUE_ROLE: (handler(store, with_keys), by_policy),
    }
    process.tune_garbage_collection()
    samples: dict[str, list[float]] = {kind: [] for kind in kinds}
    order = list(kinds)
    for number in range(rounds + 1):
        for kind in order[number % 3 :] + order[: number % 3]:
            cpu = await measure(*kinds[kind])
            if number:  # the first round warms up
                samples[kind].append(cpu)
    for kind in kinds:
        print(describe(kind, samples[kind], samples[OPEN]))
    await store.close()


def describe(kind: str, samples: list[float], base: list[float]) -> str:
    """Return the line of a kind.

    Other work on the machine makes calls dearer, never cheaper, so the low decile is closest to
    what a call costs on a machine that has nothing else to do.
    """
    low, low_base = (statistics.quantiles(each, n=10)[0] for each in (samples, base))
    more = statistics.median(one - other for one, other in zip(samples, base, strict=True))
    return (
        f"{kind}: low decile {low:.1f} µs a call ({low - low_base:+.1f}), median "
        f"{statistics.median(samples):.1f} µs ({more:+.1f} in the same round)"
    )


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    process.shorten_switch_interval()
    uvloop.run(compare(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
