"""Delivering tasks: claim, build the request, send, decide, settle.

``dispatcher`` does this for all queues, ``sender`` speaks HTTP, ``resolver`` looks up host names,
``janitor`` sweeps the store.
"""
