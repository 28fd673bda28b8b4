"""Fair shares of a server's attempt slots, so that a slow target delays only its own queue.

A queue gets another slot only while it holds fewer slots than are free. So the first queue whose
targets hang ends up with half of the slots, the second with a quarter, and so on. One slot in
``RESERVE_DIVISOR`` is reserved for queues that hold none, one slot each: however many queues hang,
the others go on.
"""

RESERVE_DIVISOR = 8
"""The reserve is the number of slots divided by this."""


def share(free: int, held: int, slots: int) -> int:
    """Return how many more attempts a queue may start.

    ``held`` is the number of slots that it holds, ``free`` the number of free slots of the server,
    ``slots`` the number of all slots.
    """
    common = (free - slots // RESERVE_DIVISOR - held + 1) // 2
    if common > 0:
        return common
    return 1 if held == 0 and free > 0 else 0


def grant_limit(free: int, slots: int) -> int:
    """Return how many attempts granted by RunTask may start: half of the reserve stays free."""
    return max(0, free - slots // (2 * RESERVE_DIVISOR))
