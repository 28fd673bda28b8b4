"""Who asks: a coroutine for each call, and the doors through which calls come.

``queues``, ``tasks``, ``batches``, ``operations``, ``policies``, ``keys`` and ``locations`` hold
the coroutines, ``calls`` finds the one of a row of the table, ``grpc`` and ``http`` (with ``rest``)
are the doors.
"""
