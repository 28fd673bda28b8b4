"""The resolver: host names to addresses, so that slow name servers delay only their own domains.

``getaddrinfo`` blocks a thread until the name servers answer, and cannot be interrupted. So the
scarce resource is threads, and three rules share them:

* **Priorities.** There are at most ``MAX_THREADS``. A name without history gets a thread only while
  less than three quarters of them are busy, a name of a slow domain only while less than a quarter
  are. The rest is reserved for names whose last lookup succeeded in time.
* **Domains.** A domain, the last two labels of a name, has at most ``MAX_LOOKUPS_PER_DOMAIN``
  lookups at a time, apart from names whose last lookup succeeded. If two labels are a public
  suffix such as ``co.uk``, its domains share this limit, which matters only while one hangs.
* **Timeout.** A lookup fails after ``LOOKUP_TIMEOUT``, including its wait for a thread. Its thread
  may stay blocked; until it returns, further callers for the same name fail at once.

Threads are daemons and are started as needed. A pool of ``concurrent.futures`` would make the
server wait at exit for lookups that hang.
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
from drayman.dispatch.http.failures import is_resource_error

MAX_THREADS = 64
"""The most lookups at a time."""
MAX_LOOKUPS_PER_DOMAIN = 4
"""The most lookups of one domain at a time, not counting names whose last lookup succeeded."""
LOOKUP_TIMEOUT: Micros = 10 * SECOND
"""The longest duration of a lookup: below the shortest deadline, so that the error names it."""
CACHE_TIME: Micros = 10 * SECOND
"""How long the addresses of a name are cached."""
FAILURE_CACHE_TIME: Micros = 2 * SECOND
"""How long a failed lookup is cached."""
MAX_CACHED = 10_000
"""The most cached names, and the most slow domains that are remembered."""

SockAddr = tuple[Any, ...]
"""A socket address: host, port, and for IPv6 flow information and zone."""
Addresses = list[tuple[socket.AddressFamily, SockAddr]]
GetAddrInfo = Callable[..., Any]


class _Priority(enum.IntEnum):
    """Priority classes. The value is the number of busy threads from which such lookups wait."""

    KNOWN_GOOD = MAX_THREADS
    UNKNOWN = MAX_THREADS * 3 // 4
    SLOW_DOMAIN = MAX_THREADS // 4


class _CacheEntry(NamedTuple):
    result: Addresses | OSError
    expire_time: Micros
    in_time: bool
    """Whether the lookup ended before its timeout."""


class _Lookup:
    """One lookup, which all callers for its name share.

    Attributes:
        name: The host name, in lower case.
        domain: The last two labels of the name.
        priority: Its priority.
        future: Its result; callers wait for it.
        started: Whether it has got a thread.
        counted: Whether it counts against the limit of its domain.
        timer: Ends it at its timeout.
    """

    def __init__(
        self, name: str, priority: _Priority, future: "asyncio.Future[Addresses | OSError]"
    ) -> None:
        self.name = name
        self.domain = ".".join(name.rstrip(".").split(".")[-2:])
        self.priority = priority
        self.future = future
        self.started = False
        self.counted = False
        self.timer: Timer


class Resolver:
    """Looks up names in threads and caches the results; one lookup at a time for each name."""

    def __init__(self, clock: Clock, getaddrinfo: GetAddrInfo = socket.getaddrinfo) -> None:
        self._clock = clock
        self._getaddrinfo = getaddrinfo
        self._cache: collections.OrderedDict[str, _CacheEntry] = collections.OrderedDict()
        self._slow_domains: collections.OrderedDict[str, None] = collections.OrderedDict()
        self._lookups: dict[str, _Lookup] = {}
        self._busy_threads = 0
        self._counts: collections.Counter[str] = collections.Counter()
        self._ready: dict[_Priority, dict[_Lookup, None]] = {each: {} for each in _Priority}
        self._blocked: dict[str, dict[_Lookup, None]] = {}

    @property
    def cached_names(self) -> int:
        """The number of cached results."""
        return len(self._cache)

    @property
    def lookups(self) -> int:
        """The number of lookups that wait for a thread or occupy one."""
        return len(self._lookups)

    @property
    def counted_domains(self) -> int:
        """The number of domains for which there are counts or blocked lookups."""
        return len(self._counts) + len(self._blocked)

    async def resolve(self, host: str, port: int) -> Addresses:
        """Return the addresses of a port of a host, of both families; OSError."""
        name = host.lower()
        entry = self._cache.get(name)
        if entry is not None and self._clock.now() < entry.expire_time:
            result = entry.result
        else:
            lookup = self._lookups.get(name) or self._add_lookup(name)
            result = await asyncio.shield(lookup.future)
        if isinstance(result, OSError):
            raise type(result)(*result.args)
        return [(family, (sockaddr[0], port, *sockaddr[2:])) for family, sockaddr in result]

    async def close(self) -> None:
        """Cancel all lookups; blocked threads are left behind."""
        for lookup in list(self._lookups.values()):
            lookup.timer.cancel()
            lookup.future.cancel()

    def _add_lookup(self, name: str) -> _Lookup:
        lookup = _Lookup(name, _Priority.UNKNOWN, asyncio.get_running_loop().create_future())
        entry = self._cache.get(name)
        if entry is not None and entry.in_time and not isinstance(entry.result, OSError):
            lookup.priority = _Priority.KNOWN_GOOD
        elif lookup.domain in self._slow_domains:
            lookup.priority = _Priority.SLOW_DOMAIN
        self._lookups[name] = lookup
        time_out = functools.partial(self._time_out, lookup)
        lookup.timer = self._clock.call_at(self._clock.now() + LOOKUP_TIMEOUT, time_out)
        counts = lookup.priority is not _Priority.KNOWN_GOOD
        if counts and self._counts[lookup.domain] >= MAX_LOOKUPS_PER_DOMAIN:
            self._blocked.setdefault(lookup.domain, {})[lookup] = None
        else:
            self._enqueue(lookup)
            self._start_threads()
        return lookup

    def _enqueue(self, lookup: _Lookup) -> None:
        """Let a lookup wait for a thread."""
        if lookup.priority is not _Priority.KNOWN_GOOD:
            lookup.counted = True
            self._counts[lookup.domain] += 1
        self._ready[lookup.priority][lookup] = None

    def _start_threads(self) -> None:
        for priority, ready in self._ready.items():
            while ready and self._busy_threads < priority:
                lookup = next(iter(ready))
                del ready[lookup]
                self._start_thread(lookup)

    def _start_thread(self, lookup: _Lookup) -> None:
        lookup.started = True
        self._busy_threads += 1
        loop = asyncio.get_running_loop()
        thread = threading.Thread(
            target=self._run, args=(lookup, loop), name="drayman-resolver", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # the system's limit of threads is reached
            failure = socket.gaierror(socket.EAI_MEMORY, str(error))
            loop.call_soon(self._complete, lookup, failure)

    def _run(self, lookup: _Lookup, loop: asyncio.AbstractEventLoop) -> None:
        """Look up a name. This method alone runs in a thread."""
        result: Addresses | OSError
        try:
            rows = self._getaddrinfo(
                lookup.name, None, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM,
                flags=socket.AI_ADDRCONFIG,
            )  # fmt: skip
            result = [(row[0], row[4]) for row in rows]
        except OSError as error:
            # A cached error must not hold its frames.
            result = (_lack_of_files() or error).with_traceback(None)
        except Exception as error:  # noqa: BLE001 - UnicodeError: the name is invalid in the DNS
            result = socket.gaierror(socket.EAI_NONAME, str(error))
        with contextlib.suppress(RuntimeError):  # the loop is closed, and no caller is left
            loop.call_soon_threadsafe(self._complete, lookup, result)

    def _complete(self, lookup: _Lookup, result: Addresses | OSError) -> None:
        """Cache the result of a thread and pass it to the callers."""
        self._busy_threads -= 1
        in_time = not lookup.future.done()
        cache_time = FAILURE_CACHE_TIME if isinstance(result, OSError) else CACHE_TIME
        if isinstance(result, OSError) and is_resource_error(result):
            cache_time = 0
        self._cache[lookup.name] = _CacheEntry(result, self._clock.now() + cache_time, in_time)
        self._cache.move_to_end(lookup.name)
        if len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)
        if in_time:
            self._slow_domains.pop(lookup.domain, None)  # its name servers answer
            lookup.future.set_result(result)
        self._remove_lookup(lookup)
        self._start_threads()

    def _time_out(self, lookup: _Lookup) -> None:
        """Fail the callers of a lookup at its timeout."""
        if lookup.future.done():
            return
        seconds = LOOKUP_TIMEOUT // SECOND
        lookup.future.set_result(
            socket.gaierror(socket.EAI_AGAIN, f"no answer of the name servers within {seconds} s")
        )
        if lookup.started:
            self._cache.pop(lookup.name, None)
            self._slow_domains[lookup.domain] = None
            self._slow_domains.move_to_end(lookup.domain)
            if len(self._slow_domains) > MAX_CACHED:
                self._slow_domains.popitem(last=False)
        else:  # it got no thread, which says nothing about its name servers
            self._ready[lookup.priority].pop(lookup, None)
            if blocked := self._blocked.get(lookup.domain):
                blocked.pop(lookup, None)
            self._remove_lookup(lookup)
            self._start_threads()

    def _remove_lookup(self, lookup: _Lookup) -> None:
        """Remove a lookup; let a blocked one of its domain take its place."""
        lookup.timer.cancel()
        self._lookups.pop(lookup.name, None)
        if not lookup.counted:
            return
        self._counts[lookup.domain] -= 1
        if not self._counts[lookup.domain]:
            del self._counts[lookup.domain]
        if blocked := self._blocked.get(lookup.domain):
            successor = next(iter(blocked))
            del blocked[successor]
            self._enqueue(successor)
        if not blocked:
            self._blocked.pop(lookup.domain, None)


def _lack_of_files() -> OSError | None:
    """Return the error of opening a socket now, None if it works.

    Without files, ``getaddrinfo`` reports an unknown name or name servers that do not answer.
    """
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError as error:
        return error
    return None
