"""Rendering: templates with all values escaped, and the static files that they name."""

import functools
import hashlib
import importlib.resources
from collections.abc import Mapping
from typing import Any, NamedTuple

import jinja2

from drayman.console import formats, page
from drayman.core.names import short_id

_PACKAGE = "drayman.console"
_FILTERS = {
    "number": formats.number,
    "rate": formats.rate,
    "size": formats.size,
    "relative": formats.relative,
    "exact": formats.exact,
    "duration": formats.duration,
    "short_id": short_id,
}
_TYPES = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx-2.0.11.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The static files, and their content types."""


class StaticFile(NamedTuple):
    """A static file.

    Attributes:
        content: Its content.
        content_type: The value of ``Content-Type``.
        url: Its URL, which changes with the content.
    """

    content: bytes
    content_type: str
    url: str


@functools.cache
def static_files() -> Mapping[str, StaticFile]:
    """Return the static files by their names."""
    return {name: _load(name, content_type) for name, content_type in _TYPES.items()}


def _load(name: str, content_type: str) -> StaticFile:
    content = importlib.resources.files(_PACKAGE).joinpath("static", name).read_bytes()
    version = hashlib.sha256(content).hexdigest()[:12]
    return StaticFile(content, content_type, page.url(f"static/{name}", v=version))


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return a page as HTML."""
    return _environment().get_template(template).render(values)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    environment.globals |= {
        "url": page.url,
        "static": lambda name: static_files()[name].url,
        "field": formats.field,
    }
    return environment
