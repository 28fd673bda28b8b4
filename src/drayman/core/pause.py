"""The pause of dispatch while this server lacks files, memory, ports or threads.

A pause starts with ``SHORTEST`` and doubles up to ``LONGEST`` each time that the first attempts
after it lack resources again. Any attempt that gets through ends the doubling.
"""

from typing import NamedTuple

from drayman.core.clock import MILLISECOND, SECOND, Micros

SHORTEST: Micros = 100 * MILLISECOND
"""The first pause."""
LONGEST: Micros = 10 * SECOND
"""The longest pause."""


class Pause(NamedTuple):
    """A pause, which may be over.

    Attributes:
        until: When attempts may start again.
        length: How long it lasts, 0 after an attempt has got through.
    """

    until: Micros = 0
    length: Micros = 0


def after_lack(pause: Pause, now: Micros) -> Pause:
    """Return the pause after an attempt lacked resources; one that lasts is not extended."""
    if now < pause.until:
        return pause
    length = min(max(2 * pause.length, SHORTEST), LONGEST)
    return Pause(now + length, length)


def after_progress(pause: Pause) -> Pause:
    """Return the pause after an attempt got through."""
    return Pause(pause.until)
