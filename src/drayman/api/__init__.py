"""The API: a handler for each call, and the gRPC and HTTP servers that receive the calls.

``queues``, ``tasks``, ``batches``, ``operations``, ``policies``, ``cmek`` and ``locations`` hold
the handlers; ``calls`` finds the handler of a row of the table of calls. ``grpc`` serves them over
gRPC, ``http`` over HTTP: ``rest`` below ``/v2/``, ``admin`` below ``/drayman/v1/``.
"""
