"""The glossary is complete, and names nothing that is not in use.

Complete means: each public class of ``core`` is named in it. Left out are exceptions, which
``core/errors.py`` draws as a tree, details of errors, and events, which ``core/events.py`` lists.
"""

import importlib
import inspect
import pkgutil
import re
import typing

from pages import ROOT

from drayman import core
from drayman.core import errors, events

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
ENTRIES = dict(re.findall(r"^\* \*\*(.+?)\*\*: (.*)$", GLOSSARY, re.MULTILINE))
SOURCES = "\n".join(path.read_text() for path in sorted(ROOT.glob("src/**/*.py")))
DOCS = "\n".join(
    path.read_text()
    for path in (*sorted(ROOT.glob("docs/*.md")), ROOT / "README.md", ROOT / "ARCHITECTURE.md")
    if path.name != "glossary.md"
)


def core_classes():
    """Yield the public classes that the modules of ``core`` define."""
    for module in pkgutil.iter_modules(core.__path__, "drayman.core."):
        for name, value in vars(importlib.import_module(module.name)).items():
            is_own = inspect.isclass(value) and value.__module__ == module.name
            if is_own and not name.startswith("_"):
                yield value


def test_every_entry_is_one_line():
    lines = [line for line in GLOSSARY.splitlines() if line.startswith(("*", " "))]
    assert len(lines) == len(ENTRIES)
    assert all(text.endswith(".") for text in ENTRIES.values())


def test_every_class_of_core_is_in_the_glossary():
    listed_elsewhere = {*typing.get_args(events.Event), *typing.get_args(errors.Detail)}
    missing = [
        each.__name__
        for each in core_classes()
        if not issubclass(each, Exception)
        and each not in listed_elsewhere
        and f"`{each.__name__}`" not in GLOSSARY
    ]
    assert missing == []


def test_every_class_in_the_glossary_exists():
    named = set(re.findall(r"`([A-Z][a-z]\w+)`", GLOSSARY))
    defined = set(re.findall(r"^class (\w+)", SOURCES, re.MULTILINE))
    aliases = set(re.findall(r"^(\w+) = ", SOURCES, re.MULTILINE))
    assert named - defined - aliases == set()


def test_every_term_is_used_in_the_source_or_the_docs():
    text = f"{SOURCES}\n{DOCS}".lower().replace("_", " ")
    # A class is named in one word: `ServiceError` is a use of "service error".
    patterns = {term: rf"\b{term.lower().replace(' ', ' ?')}" for term in ENTRIES}
    unused = [term for term, pattern in patterns.items() if not re.search(pattern, text)]
    assert unused == []
