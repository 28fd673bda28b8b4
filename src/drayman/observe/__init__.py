"""Subscribers of a server's events (``core.events``): log lines and the activity log."""
