"""Signing: the server's key ring, the bearer tokens of attempts, and what their verifiers fetch."""
