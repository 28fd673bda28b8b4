"""Vacuum: gives free pages of the database back to the disk, in small steps.

SQLite moves pages from the end of the file into free ones. The file gets shorter at the next
checkpoint. Only files that were created with ``auto_vacuum = INCREMENTAL`` can shrink so.
"""

import sqlite3

MIN_FREE_PAGES = 1_024
"""Free pages that stay in the file: giving pages back and taking them again costs time."""
FREE_SHARE = 8
"""One page in so many stays free, if that is more."""
STEP_PAGES = 64
"""The most pages of one step; callers of the store wait meanwhile."""
_INCREMENTAL = 2


def step(connection: sqlite3.Connection) -> bool:
    """Give up to ``STEP_PAGES`` pages back in a transaction of its own; return whether more can be.

    The connection is outside any transaction.
    """
    surplus = _surplus(connection)
    if surplus > 0:
        # A script, because execute() would run only the first step of this statement: one page.
        connection.executescript(f"PRAGMA incremental_vacuum({min(surplus, STEP_PAGES)})")
    return surplus > STEP_PAGES


def _surplus(connection: sqlite3.Connection) -> int:
    """Return how many pages are free beyond those that stay, 0 if the file cannot shrink."""
    mode, free, total = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("auto_vacuum", "freelist_count", "page_count")
    )
    slack = max(MIN_FREE_PAGES, total // FREE_SHARE)
    return max(0, free - slack) if mode == _INCREMENTAL else 0
