"""The version, where Google's library keeps its own."""

from drayman import __version__

__all__ = ("__version__",)
