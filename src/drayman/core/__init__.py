"""What is decided: plain values and pure functions, standard library only.

All times are ``Micros``: whole microseconds, since 1970 for a moment, plain for a duration.
"""
