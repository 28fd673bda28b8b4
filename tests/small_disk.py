"""A disk of a few megabytes, which tests fill."""

import contextlib
import subprocess
import sys

import pytest


@contextlib.contextmanager
def small_disk(folder, size):
    """Mount a file system of a few bytes for the time of a test; skip the test if not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)]
    if (
        sys.platform != "linux"
        or subprocess.run(mount, check=False, capture_output=True).returncode
    ):
        pytest.skip("needs the right to mount a tmpfs, which root on Linux has")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file):
    """Take all the free space of a disk, as another program might."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as target:
        while target.write(bytes(4_096)):
            pass
