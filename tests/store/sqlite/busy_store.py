"""A process that creates, claims, completes and deletes tasks until it is killed.

It prints what was acknowledged: ``+name`` for a task that is there, ``?name`` for one whose end
has been asked for, ``-name`` for one whose end was promised.
"""

import asyncio
import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from world import LIMITS, START, World

from drayman.store.sqlite.database import open_store


def say(sign, names):
    sys.stdout.writelines(f"{sign}{name}\n" for name in names)
    sys.stdout.flush()


async def main(path):
    world = World(await open_store(path, LIMITS, START))
    await world.queue(burst=1_000_000, concurrency=1_000_000)
    for turn in itertools.count():
        named = [world.create_one(f"t{turn}-{number}") for number in range(10)]
        names = await asyncio.gather(*named, *(world.create_one() for _ in range(10)))
        say("+", names)
        say("?", names[:5])
        await asyncio.gather(*map(world.delete, names[:5]), world.claim(2))
        say("-", names[:5])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
