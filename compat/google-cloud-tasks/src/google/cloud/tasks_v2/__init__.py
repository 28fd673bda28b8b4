"""An alias of ``drayman.tasks_v2``, whose submodules are aliases as well.

Both names refer to the same module object, so a class has one identity under both names.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

import drayman.tasks_v2

_ALIAS = "google.cloud.tasks_v2"
_TARGET = "drayman.tasks_v2"


class _AliasImporter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports ``google.cloud.tasks_v2.x`` as ``drayman.tasks_v2.x``."""

    def __init__(self) -> None:
        self._target_specs: dict[str, importlib.machinery.ModuleSpec | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(f"{_ALIAS}."):
            return None
        if importlib.util.find_spec(_TARGET + fullname.removeprefix(_ALIAS)) is None:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(_TARGET + spec.name.removeprefix(_ALIAS))
        self._target_specs[module.__name__] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The module is already executed. The import system has replaced its spec by the alias's.
        module.__spec__ = self._target_specs.pop(module.__name__)


sys.meta_path.insert(0, _AliasImporter())
sys.modules[__name__] = drayman.tasks_v2
