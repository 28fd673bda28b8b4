"""Drayman: Google Cloud Tasks that anyone can run.

``from drayman import tasks`` is the client library, ``drayman serve`` the server.
"""

__version__ = "0.1.0"
