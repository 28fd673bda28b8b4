"""Who acts: wait, claim, build the request, send, judge, settle.

``dispatcher`` does that for all queues, ``sender`` speaks HTTP, ``janitor`` removes remains.
"""
