"""The embedded store: one SQLite file, one server.

``database`` opens it, ``writer`` commits in groups, ``queues``, ``tasks`` and ``dispatch`` are
the verbs as plain functions on a connection, ``store`` puts them together.
"""
