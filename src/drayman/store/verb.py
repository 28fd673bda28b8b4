"""A verb of the store: a synchronous function over a session, and how group commit runs it."""

import asyncio
import enum
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.store.session import Session

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")
_Call = TypeVar("_Call")


class Phase(enum.IntEnum):
    """The order of verbs within a group: verbs that make tasks due run before those that claim."""

    QUEUES = 0
    TASKS = 1
    DELETIONS = 2
    OUTCOMES = 3
    CLAIMS = 4
    UPKEEP = 5
    MAINTENANCE = 6
    """Verbs that need no transaction. They run after the commit, in the writer's thread."""
    READS = 7
    """Verbs that only read. They run beside the writer; if it alone can read, after the commit."""


class Caller(Protocol):
    """The store, as verbs see it: it runs their calls."""

    def call(
        self, verb: "Verb[Any, _Result]", argument: Any, size: int, due: Micros | None
    ) -> "asyncio.Future[_Result]":
        """Run one call of a verb.

        Args:
            verb: The verb.
            argument: Its argument.
            size: Roughly how many bytes the argument holds.
            due: The earliest time at which a task may be due because of the call, None if it makes
                none due.
        """


def at_once(*_: Any, **__: Any) -> Micros:
    """Return the ``due`` of verbs by which waiting tasks may become due at once."""
    return 0


class Verb(Generic[_Params, _Result]):
    """A verb; as an attribute of a store class it is a method that returns a future.

    Attributes:
        run: Takes the session and the arguments of all calls of a group; returns a result for
            each, an exception in the place of one that failed.
        phase: When it runs within a group.
        durable: Whether its effect must be on disk before it returns.
        bounded: Whether it is refused when too many calls wait. Verbs of the dispatcher are not
            refused, because the number of attempts in flight is bounded.
        alone: Whether each call has a transaction of its own where servers share the database: it
            locks one queue or task, and calls of a group would lock them in any order.
        name: The name of the store's method.
    """

    def __init__(
        self,
        run: Callable[[Session, Sequence[Any]], Sequence[Any]],
        argument: Callable[_Params, Any],
        phase: Phase,
        *,
        durable: bool = True,
        due: Callable[_Params, Micros | None] | None = None,
        bounded: bool = True,
        alone: bool = False,
        size: Callable[_Params, int] | None = None,
        grows: Callable[[Any], bool] | None = None,
    ) -> None:
        self.run = run
        self.phase = phase
        self.durable = durable
        self.bounded = bounded
        self.alone = alone
        self._argument = argument
        self._size = size
        self._due = due
        self._grows = grows
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def grows(self, argument: Any) -> bool:
        """Return whether a call stores a new task, which is refused when the disk is full."""
        return self._grows is not None and self._grows(argument)

    @overload
    def __get__(self, store: None, owner: object) -> Self: ...
    @overload
    def __get__(
        self, store: Caller, owner: object
    ) -> Callable[_Params, "asyncio.Future[_Result]"]: ...
    def __get__(self, store: Caller | None, owner: object) -> Any:
        """Return the method of a store; the store keeps it, because each call needs it."""
        if store is None:
            return self
        size_of, due_of = self._size, self._due

        def call(*args: _Params.args, **kwargs: _Params.kwargs) -> "asyncio.Future[_Result]":
            size = size_of(*args, **kwargs) if size_of else 0
            due = due_of(*args, **kwargs) if due_of else None
            return store.call(self, self._argument(*args, **kwargs), size, due)

        vars(store)[self.name] = call
        return call


def single(
    function: Callable[Concatenate[Session, _Params], _Result],
    phase: Phase,
    *,
    grows: Callable[_Params, bool] | None = None,
    **options: Any,
) -> Verb[_Params, _Result]:
    """Return the verb of a function that runs one call; each call of a group fails on its own."""

    def run(session: Session, calls: Sequence[Any]) -> list[Any]:
        results: list[Any] = []
        for args, kwargs in calls:
            before = session.changes
            try:
                results.append(function(session, *args, **kwargs))
            except ServiceError as error:
                if session.changes != before:  # undone by running the call in a group of its own
                    raise
                results.append(error)
        return results

    def argument(*args: _Params.args, **kwargs: _Params.kwargs) -> Any:
        return args, kwargs

    def call_grows(call: Any) -> bool:
        args, kwargs = call
        return grows is not None and grows(*args, **kwargs)

    return Verb(run, argument, phase, grows=call_grows, **options)


def grouped(
    function: Callable[[Session, Sequence[_Call]], Sequence[_Result]],
    call: Callable[_Params, _Call],
    phase: Phase,
    **options: Any,
) -> Verb[_Params, _Result]:
    """Return the verb of a function that runs all calls of a group at once."""
    return Verb(function, call, phase, **options)
