"""Removes characters from text sent by targets that databases reject."""


def clean(text: str) -> str:
    """Return a text without NUL and lone surrogates, which no database and no JSON accepts."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")
