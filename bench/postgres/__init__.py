"""Measurements of the store on PostgreSQL, on a cluster of its own that flushes each commit."""
