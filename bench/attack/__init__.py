"""Attacks on a real server, over HTTP/1.1 and gRPC, and what they do to others."""
