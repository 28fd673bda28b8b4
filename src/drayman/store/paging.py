"""Pages: as many rows as their count and their bytes allow."""

from collections.abc import Callable, Iterable
from typing import TypeVar

_Item = TypeVar("_Item")


def take(
    items: Iterable[_Item], limit: int, size: int, weigh: Callable[[_Item], int]
) -> tuple[list[_Item], bool]:
    """Return up to ``limit`` items of about ``size`` bytes, and whether there are more.

    The first item is returned whatever its size. ``items`` is read no further than one item beyond
    the page.
    """
    page: list[_Item] = []
    total = 0
    for item in items:
        total += weigh(item)
        if len(page) == limit or (page and total > size):
            return page, True
        page.append(item)
    return page, False
