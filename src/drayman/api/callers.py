"""Who makes an administrative call, for its event.

``calls.guard`` knows the caller, the handler emits the event: between them the name is in a context
variable. Each call runs in a task of its own, and so in a context of its own.
"""

import contextvars

from drayman.access import members
from drayman.access.caller import Caller
from drayman.access.control import Fields

PEER = b":peer-address"
"""The header field that tells a call the address of its client. The edge adds it; no client can
send it, because names of fields have no colon."""
_ADMINISTRATIVE = frozenset(
    {
        "CreateQueue", "UpdateQueue", "DeleteQueue", "PurgeQueue", "PauseQueue", "ResumeQueue",
        "SetIamPolicy", "UpdateCmekConfig", "ReplayDeadLetters", "DeleteDeadLetter",
        "DeleteDeadLetters",
    }
)  # fmt: skip
_current: contextvars.ContextVar[str] = contextvars.ContextVar("caller", default="")


def remember(rpc: str, caller: Caller | None, fields: Fields) -> None:
    """Remember who makes this call, if it is administrative."""
    if rpc in _ADMINISTRATIVE:
        _current.set(_describe(caller, fields))


def current() -> str:
    """Return who makes this administrative call: its members, or the address of its client."""
    return _current.get()


def _describe(caller: Caller | None, fields: Fields) -> str:
    if caller is None:
        return fields.get(PEER, b"").decode()
    return ", ".join(sorted(caller.members - members.EVERYONE))
