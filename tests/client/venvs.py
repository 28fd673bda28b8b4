"""Creates virtual environments without an index: dependencies are copied from this one."""

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement


def create(folder, requirements, projects):
    """Create a virtual environment and return the path of its interpreter.

    Args:
        folder: Where to create it.
        requirements: Distributions to copy from this environment, with their dependencies.
        projects: Folders of projects to build and install.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin/python"
    (site_packages,) = folder.glob("lib/python*/site-packages")
    for distribution in _with_dependencies(requirements):
        _copy(distribution, site_packages)
    pip(python, "install", "--no-index", "--no-build-isolation", "--no-deps", *projects)
    pip(python, "check")
    return python


def pip(python, command, *arguments):
    """Run this environment's pip for another one and return what it prints."""
    options = ("--python", python, "--quiet", "--disable-pip-version-check")
    process = subprocess.run(
        [sys.executable, "-m", "pip", *options, command, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def _with_dependencies(requirements):
    pending = [Requirement(requirement) for requirement in requirements]
    distributions = {}
    seen = set()
    while pending:
        requirement = pending.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        distribution = importlib.metadata.distribution(requirement.name)
        distributions[distribution.name] = distribution
        extras = [{"extra": extra} for extra in ("", *requirement.extras)]
        for dependency in map(Requirement, distribution.requires or ()):
            marker = dependency.marker
            if marker is None or any(marker.evaluate(extra) for extra in extras):
                pending.append(dependency)
    return distributions.values()


def _copy(distribution, site_packages):
    for file in distribution.files:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = site_packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(distribution.locate_file(file)), target)
