"""mypy accepts the examples, and sees the types that the methods promise."""

from pathlib import Path

from mypy import api

ROOT = Path(__file__).parents[2]
CHECKED = (
    Path(__file__).with_name("typed.py"),
    *(path for path in sorted((ROOT / "examples").glob("*.py")) if path.stem != "demo"),
)


def test_the_examples_are_typed(tmp_path):
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path)]
    told, errors, code = api.run([*options, *map(str, CHECKED)])
    assert (code, errors) == (0, ""), told
