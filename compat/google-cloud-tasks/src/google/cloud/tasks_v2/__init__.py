"""Drayman's modules under the names of Google's: one module, two names."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

import drayman.tasks_v2

_THEIRS = "google.cloud.tasks_v2"
_OURS = "drayman.tasks_v2"


class _SameModule(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``google.cloud.tasks_v2.x`` in ``drayman.tasks_v2.x``."""

    def __init__(self) -> None:
        self._specs: dict[str, importlib.machinery.ModuleSpec | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(f"{_THEIRS}."):
            return None
        if importlib.util.find_spec(_OURS + fullname.removeprefix(_THEIRS)) is None:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(_OURS + spec.name.removeprefix(_THEIRS))
        self._specs[module.__name__] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # It ran long ago; only its own idea of where it came from is put back.
        module.__spec__ = self._specs.pop(module.__name__)


sys.meta_path.insert(0, _SameModule())
sys.modules[__name__] = drayman.tasks_v2
