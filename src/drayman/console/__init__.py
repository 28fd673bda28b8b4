"""The console: pages for people, rendered by the server on its own port.

A page is a function of a request over the calls of the API (``views``), a change one over the same
calls (``actions``). Both are rows of the table of routes in ``app``.
"""
