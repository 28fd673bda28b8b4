"""Names of a module that are loaded when they are first asked for."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attributes(
    module: str, places: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A module's ``__getattr__`` and ``__dir__``.

    Args:
        module: Its name.
        places: The module that has the name; one that ends in the name itself is what is meant.
    """

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        found = importlib.import_module(places[name])
        return found if places[name] == f"{module}.{name}" else getattr(found, name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[module]), *places})

    return get, names
