"""Print the lowest versions of the direct dependencies that pyproject.toml allows, one a line.

The output is a file of constraints for pip. Dependencies of the development alone are left out.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)")


def lowest(requirement: str) -> str:
    """Return a requirement of the lowest version that another one allows."""
    match = REQUIREMENT.match(requirement)
    if match is None:
        raise SystemExit(f"{requirement}: has no lowest version")
    return f"{match[1]}=={match[2]}"


def constraints() -> list[str]:
    """Return the lowest versions of what the client and the server need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = project["dependencies"] + extras["cli"] + extras["server"]
    return [lowest(each) for each in needed if not each.startswith(project["name"])]


if __name__ == "__main__":
    print("\n".join(constraints()))
