"""The instructions of the Dockerfile."""

import json
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def instructions():
    """Return the instructions, each a word and its arguments, by stage."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    stages = []
    for line in filter(None, lines):
        word, _, arguments = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, arguments))
    return stages


def arguments(stage, word):
    """Return the arguments of all instructions with a word."""
    return [arguments for name, arguments in stage if name == word]


def environment(stage):
    """Return the variables that a stage sets."""
    (text,) = arguments(stage, "ENV")
    return dict(each.split("=", 1) for each in shlex.split(text))


def command(stage):
    """Return the command that a container runs."""
    (entry,), (command,) = arguments(stage, "ENTRYPOINT"), arguments(stage, "CMD")
    return [*json.loads(entry), *json.loads(command)]


def health_check(stage):
    """Return the command that says whether a container is healthy."""
    (text,) = arguments(stage, "HEALTHCHECK")
    return text.split(" CMD ", 1)[1].strip()
