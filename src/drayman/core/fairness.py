"""How many of a server's attempt slots a queue may hold: a slow target costs only itself.

A queue gets another slot only while it holds fewer than are free, so the first whose targets
hang ends up with half of them, the next with a quarter. A reserve is kept from that: it is for
queues that hold nothing, one slot each, so that however many queues hang, others go on.
"""

RESERVED = 8
"""One slot in so many is reserved."""


def share(free: int, held: int, slots: int) -> int:
    """Return how many more attempts a queue may start that holds ``held`` of ``slots``.

    ``free`` of the slots are free.
    """
    common = (free - slots // RESERVED - held + 1) // 2
    if common > 0:
        return common
    return 1 if held == 0 and free > 0 else 0


def granted(free: int, slots: int) -> int:
    """Return how many attempts may start that RunTask granted: all but half of the reserve."""
    return max(0, free - slots // (2 * RESERVED))
