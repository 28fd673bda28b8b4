"""What is spoken: messages of the API, to and from the values of ``core``, and their rules.

The functions here work on the plain protobuf classes under ``tasks_v2.types`` (``.pb()``): they
are on the way of every task.
"""
