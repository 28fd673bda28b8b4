"""The resolver: host names to addresses, such that names that hang leave threads for the others.

The system's ``getaddrinfo`` blocks a thread for as long as the name servers please, and cannot be
interrupted. So threads are what is scarce, and three rules share them out:

* Of the ``THREADS`` there are, names of which nothing is known are looked up while fewer than three
  quarters are busy, and names of a domain that has been slow while fewer than a quarter are. What
  remains is for names whose last lookup went well: no crowd of names that hang takes it.
* A domain (the last two labels) has at most ``SHARE`` threads for names without such a record:
  one owner's silent name servers are one owner's affair. Two labels may be a registry's, such as
  ``co.uk``, whose owners then share; they lose nothing by it unless one of them hangs.
* A lookup has an answer, if only a failure, within ``LIMIT``, its wait for a thread included.
  Its thread goes on; whoever asks for the name meanwhile is told at once.

The threads are daemons, started as needed: a lookup that hangs must not hold up the server's end,
which a pool of ``concurrent.futures`` would.
"""

import asyncio
import collections
import contextlib
import enum
import functools
import socket
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from drayman.core.clock import SECOND, Clock, Micros, Timer

THREADS = 64
"""The most lookups at a time."""
SHARE = 4
"""The most lookups at a time of one domain, names that resolved last time aside."""
LIMIT: Micros = 10 * SECOND
"""How long a lookup may take: less than the least deadline, so that it can be named."""
FRESH: Micros = 10 * SECOND
"""How long an answer is used."""
FRESH_FAILURE: Micros = 2 * SECOND
"""How long a failure is."""
REMEMBERED = 10_000
"""The most names, and the most slow domains, that are remembered."""

SockAddr = tuple[Any, ...]
"""An address as sockets have it: host, port, and for IPv6 flow information and zone."""
Found = list[tuple[socket.AddressFamily, SockAddr]]
GetAddrInfo = Callable[..., Any]


class _Record(enum.IntEnum):
    """What is known of a name; its value is how many threads may be busy when it is looked up."""

    GOOD = THREADS
    UNKNOWN = THREADS * 3 // 4
    SLOW = THREADS // 4


class _Entry(NamedTuple):
    found: Found | OSError
    until: Micros
    prompt: bool


class _Lookup:
    """A lookup of one name, for all who ask for it."""

    def __init__(
        self, key: str, record: _Record, answer: "asyncio.Future[Found | OSError]"
    ) -> None:
        self.key = key
        self.domain = ".".join(key.rstrip(".").split(".")[-2:])
        self.record = record
        self.answer = answer
        self.started = False
        self.shares = False
        self.timer: Timer


class Resolver:
    """Looks names up in threads of its own, each name once at a time, and remembers for a while."""

    def __init__(self, clock: Clock, getaddrinfo: GetAddrInfo = socket.getaddrinfo) -> None:
        self._clock = clock
        self._getaddrinfo = getaddrinfo
        self._known: collections.OrderedDict[str, _Entry] = collections.OrderedDict()
        self._slow: collections.OrderedDict[str, None] = collections.OrderedDict()
        self._lookups: dict[str, _Lookup] = {}
        self._busy = 0
        self._shares: collections.Counter[str] = collections.Counter()
        self._waiting: dict[_Record, dict[_Lookup, None]] = {record: {} for record in _Record}
        self._parked: dict[str, dict[_Lookup, None]] = {}

    async def resolve(self, host: str, port: int) -> Found:
        """Return the addresses of a port of a host, of either family; OSError."""
        key = host.lower()
        entry = self._known.get(key)
        if entry is not None and self._clock.now() < entry.until:
            found = entry.found
        else:
            lookup = self._lookups.get(key) or self._look_up(key)
            found = await asyncio.shield(lookup.answer)
        if isinstance(found, OSError):
            raise type(found)(*found.args)
        return [(family, (sockaddr[0], port, *sockaddr[2:])) for family, sockaddr in found]

    async def close(self) -> None:
        """Give up what is being looked up."""
        for lookup in list(self._lookups.values()):
            lookup.timer.cancel()
            lookup.answer.cancel()

    def _look_up(self, key: str) -> _Lookup:
        lookup = _Lookup(key, _Record.UNKNOWN, asyncio.get_running_loop().create_future())
        entry = self._known.get(key)
        if entry is not None and entry.prompt and not isinstance(entry.found, OSError):
            lookup.record = _Record.GOOD
        elif lookup.domain in self._slow:
            lookup.record = _Record.SLOW
        self._lookups[key] = lookup
        late = functools.partial(self._late, lookup)
        lookup.timer = self._clock.call_at(self._clock.now() + LIMIT, late)
        if lookup.record is not _Record.GOOD and self._shares[lookup.domain] >= SHARE:
            self._parked.setdefault(lookup.domain, {})[lookup] = None
        else:
            self._line_up(lookup)
            self._start_some()
        return lookup

    def _line_up(self, lookup: _Lookup) -> None:
        if lookup.record is not _Record.GOOD:
            lookup.shares = True
            self._shares[lookup.domain] += 1
        self._waiting[lookup.record][lookup] = None

    def _start_some(self) -> None:
        for record, line in self._waiting.items():
            while line and self._busy < record:
                lookup = next(iter(line))
                del line[lookup]
                lookup.started = True
                self._busy += 1
                loop = asyncio.get_running_loop()
                thread = threading.Thread(
                    target=self._run, args=(lookup, loop), name="drayman-resolver", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError as error:  # the system has no more threads for us
                    loop.call_soon(
                        self._ended, lookup, socket.gaierror(socket.EAI_MEMORY, str(error))
                    )

    def _run(self, lookup: _Lookup, loop: asyncio.AbstractEventLoop) -> None:
        """Look a name up; this alone runs in a thread."""
        found: Found | OSError
        try:
            rows = self._getaddrinfo(
                lookup.key, None, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM,
                flags=socket.AI_ADDRCONFIG,
            )  # fmt: skip
            found = [(row[0], row[4]) for row in rows]
        except OSError as error:
            found = error.with_traceback(None)  # it is remembered; what it has seen need not be
        except Exception as error:  # noqa: BLE001 - a name that no DNS can have: UnicodeError
            found = socket.gaierror(socket.EAI_NONAME, str(error))
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
            loop.call_soon_threadsafe(self._ended, lookup, found)

    def _ended(self, lookup: _Lookup, found: Found | OSError) -> None:
        self._busy -= 1
        prompt = not lookup.answer.done()
        fresh = FRESH_FAILURE if isinstance(found, OSError) else FRESH
        self._known[lookup.key] = _Entry(found, self._clock.now() + fresh, prompt)
        self._known.move_to_end(lookup.key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        if prompt:
            self._slow.pop(lookup.domain, None)  # its name servers answer, if only that it is not
            lookup.answer.set_result(found)
        self._leave(lookup)
        self._start_some()

    def _late(self, lookup: _Lookup) -> None:
        """Tell those who wait that it takes too long."""
        if lookup.answer.done():
            return
        seconds = LIMIT // SECOND
        lookup.answer.set_result(
            socket.gaierror(socket.EAI_AGAIN, f"no answer of the name servers within {seconds} s")
        )
        if lookup.started:  # what waited for a thread says nothing of its name servers
            self._known.pop(lookup.key, None)
            self._slow[lookup.domain] = None
            self._slow.move_to_end(lookup.domain)
            if len(self._slow) > REMEMBERED:
                self._slow.popitem(last=False)
        else:
            self._waiting[lookup.record].pop(lookup, None)
            if parked := self._parked.get(lookup.domain):
                parked.pop(lookup, None)
            self._leave(lookup)
            self._start_some()

    def _leave(self, lookup: _Lookup) -> None:
        lookup.timer.cancel()
        self._lookups.pop(lookup.key, None)
        if not lookup.shares:
            return
        self._shares[lookup.domain] -= 1
        if not self._shares[lookup.domain]:
            del self._shares[lookup.domain]
        if parked := self._parked.get(lookup.domain):
            successor = next(iter(parked))
            del parked[successor]
            self._line_up(successor)
        if not parked:
            self._parked.pop(lookup.domain, None)
