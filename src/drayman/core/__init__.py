"""The decisions: plain values and pure functions, standard library only.

All times are ``Micros``: integers of microseconds. A point in time counts from 1970-01-01 UTC.
"""
