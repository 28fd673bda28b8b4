"""Module attributes that are imported on first access (PEP 562)."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attributes(
    module: str, sources: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` functions of a module with lazy attributes.

    Args:
        module: The name of the module.
        sources: Maps the name of each lazy attribute to the module that defines it. A submodule
            is mapped to its own full name.
    """

    def get(name: str) -> Any:
        if name not in sources:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        source = importlib.import_module(sources[name])
        return source if source.__name__ == f"{module}.{name}" else getattr(source, name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[module]), *sources})

    return get, names
