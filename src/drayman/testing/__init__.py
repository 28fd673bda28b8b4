"""A whole server in the process of a test, with a clock that the test moves.

Example:
    >>> with Server() as cloud_tasks:
    ...     queue = cloud_tasks.queue("mail")
    ...     sign_up("ada@example.com")  # enqueues a task
    ...     cloud_tasks.assert_enqueued(queue="mail", json={"to": "ada@example.com"})
    ...     cloud_tasks.respond("https://app.example/*", [503, 200])
    ...     cloud_tasks.run_all()  # the retry included
    ...     cloud_tasks.assert_delivered(queue="mail", count=2)

With pytest, the fixtures ``cloud_tasks`` and ``async_cloud_tasks`` give a server that is empty for
each test. Nothing is imported before the first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drayman.testing.recorder import Recorder
    from drayman.testing.server import AsyncServer, Server
    from drayman.testing.values import CONNECTION_ERROR, TIMEOUT, Delivery, PendingTask, Reply

__all__ = [
    "CONNECTION_ERROR",
    "TIMEOUT",
    "AsyncServer",
    "Delivery",
    "PendingTask",
    "Recorder",
    "Reply",
    "Server",
]

if not TYPE_CHECKING:
    _MODULES = {"AsyncServer": "server", "Recorder": "recorder", "Server": "server"}

    # By hand: the module that does this for the client imports all messages.
    def __getattr__(name: str) -> Any:
        """Import what is first needed."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = importlib.import_module(f"{__name__}.{_MODULES.get(name, 'values')}")
        return getattr(module, name)
