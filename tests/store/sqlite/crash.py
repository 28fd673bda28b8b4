"""What a kill -9 leaves behind."""

import shutil
from pathlib import Path


def copy(path, target):
    """Copy a store's files while it is open."""
    for suffix in ("", "-wal"):
        source = Path(f"{path}{suffix}")
        if source.exists():
            shutil.copyfile(source, f"{target}{suffix}")
