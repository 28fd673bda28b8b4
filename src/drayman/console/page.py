"""What a page is made from, and what it is rendered from."""

import dataclasses
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from drayman.console.calls import Calls
from drayman.core import errors
from drayman.core.clock import Micros

PREFIX = "/console/"
_MOST_FIELDS = 1_100
"""Fields of a form: the names of all tasks of a page, and some more."""

Form = Mapping[str, list[str]]
History = Callable[[str, Micros], Sequence[Sequence[int]]]


@dataclasses.dataclass(frozen=True, slots=True)
class PageRequest:
    """A request for a page, or to change something.

    Attributes:
        calls: The calls of the API, in the name of the caller.
        queue: The full name of the queue in the path; "" without one.
        task_id: The id of the task in the path; "" without one.
        query: The parameters of the query.
        form: The fields of a form that was sent; empty for a page.
        now: When the request came.
        is_full: Whether the console offers and takes changes.
        history: Returns what ended in each bucket of the last minutes, in a queue.
    """

    calls: Calls
    queue: str
    task_id: str
    query: Mapping[str, str]
    form: Form
    now: Micros
    is_full: bool
    history: History

    @property
    def task(self) -> str:
        """The full name of the task in the path."""
        return f"{self.queue}/tasks/{self.task_id}"

    def field(self, name: str, default: str = "") -> str:
        """Return a field of the form, without space around it."""
        return self.form.get(name, [default])[-1].strip()


class View(NamedTuple):
    """A page before it is rendered.

    Attributes:
        template: The file of its template.
        values: The variables of the template.
    """

    template: str
    values: dict[str, Any]


class Done(NamedTuple):
    """What a change has led to.

    Attributes:
        path: The path of the page to show next, below ``PREFIX``.
        notice: The key of the notice on it, one of ``actions.NOTICES``.
        number: The number in the notice.
    """

    path: str
    notice: str
    number: int = 0

    @property
    def url(self) -> str:
        """The URL of the page."""
        query = urllib.parse.urlencode({"notice": self.notice, "count": self.number})
        return f"{url(self.path)}?{query}"


def url(path: str, **query: str) -> str:
    """Return the URL of a page, by its path below ``PREFIX``, with the parameters that are set."""
    parameters = urllib.parse.urlencode({name: value for name, value in query.items() if value})
    quoted = urllib.parse.quote(PREFIX + path, safe="/:")
    return f"{quoted}?{parameters}" if parameters else quoted


def parse_fields(text: str) -> dict[str, list[str]]:
    """Return the values of a query or form by their names. InvalidArgument."""
    try:
        return urllib.parse.parse_qs(
            text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise errors.InvalidArgument("The query or the form is malformed.") from None
