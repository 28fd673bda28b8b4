"""The commands of ``drayman``, a module each.

A module has ``command``, which ``drayman.cli`` registers. At import, a module needs click and
little else; a callback imports what it runs, so that ``drayman --help`` is fast.
"""
