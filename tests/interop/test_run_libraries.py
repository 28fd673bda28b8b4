"""The table of libraries that `make interop-libraries` runs, and the choice of an interpreter."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "interop" / "libraries"))

import run_libraries  # noqa: E402 - found on the path above

each_library = pytest.mark.parametrize(
    "library", run_libraries.LIBRARIES, ids=lambda each: each.name
)


@each_library
def test_a_library_has_an_app_exact_versions_and_a_line_in_the_docs(library):
    assert (ROOT / "interop" / "libraries" / f"{library.app}.py").exists()
    assert all("==" in requirement for requirement in library.requirements)
    version = library.requirements[0].rpartition("==")[2]
    documented = (ROOT / "docs" / "interoperability.md").read_text()
    assert f"| `{library.name}` {version} | 3.{library.minor} |" in documented


def test_a_python_that_is_new_enough_is_used():
    assert run_libraries.find_python(sys.version_info.minor) == sys.executable


def test_a_launcher_whose_version_is_not_active_is_no_python(tmp_path):
    newer = sys.version_info.minor + 1
    launcher = tmp_path / f"python3.{newer}"
    launcher.write_text("#!/bin/sh\nexit 127\n")
    launcher.chmod(0o755)
    assert run_libraries.find_python(newer, str(tmp_path)) is None
    launcher.write_text("#!/bin/sh\nexit 0\n")
    expected = str(launcher) if newer <= run_libraries.NEWEST_MINOR else None
    assert run_libraries.find_python(newer, str(tmp_path)) == expected


def test_a_library_without_a_python_is_skipped(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    library = run_libraries.LIBRARIES[0]._replace(minor=99)
    results = list(run_libraries.results(library, [], {}))
    assert results == [("both", "skipped: needs Python 3.99")]
