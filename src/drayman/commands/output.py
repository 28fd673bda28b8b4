"""Results on standard output: tables for people, JSON, YAML or single values for programs.

A result is the JSON value that the REST API has for it. The forms are gcloud's (``--format``).
"""

import itertools
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import click

from drayman.commands import terminal

_GAP = 2
"""Characters between two columns."""
_CHUNK = 1000
"""Rows of which a table computes the widths of its columns at once."""
_FIELD = r"[A-Za-z][\w.-]*?(?:\.basename\(\))?"
_FORMAT = re.compile(rf"(json|yaml|table)|value\(({_FIELD}(?:,{_FIELD})*)\)")


class Format(NamedTuple):
    """A form of output.

    Attributes:
        kind: ``json``, ``yaml``, ``table`` or ``value``.
        fields: The fields of ``value``.
    """

    kind: str
    fields: tuple[str, ...] = ()


def parse_format(text: str) -> Format:
    """Return the form that ``--format`` names; BadParameter."""
    match = _FORMAT.fullmatch(text.replace(" ", ""))
    if not match:
        raise click.BadParameter("must be json, yaml, table or value(FIELD, …)")
    return Format(match[1] or "value", tuple((match[2] or "").split(",")))


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        label: Its head.
        text: Returns its text for a row; or the field that has it.
        numeric: Whether it is aligned to the right.
        rank: A terminal that is too narrow leaves out the column of the highest rank first; those
            of rank 0 are always shown.
    """

    label: str
    text: Callable[[Any], str] | str
    numeric: bool = False
    rank: int = 0

    def cell(self, row: Any) -> str:
        """Return its text for a row."""
        return _text(field(row, self.text)) if isinstance(self.text, str) else self.text(row)


def field(value: Any, path: str) -> Any:
    """Return a field of a JSON value, ``a.b`` or ``a.basename()``; None if there is none."""
    name = path.removesuffix(".basename()")
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    is_base = name != path and isinstance(value, str)
    return value.rpartition("/")[2] if is_base else value


def show(value: Any, form: Format | None) -> None:
    """Write one result, as YAML unless another form is chosen."""
    form = form or Format("yaml")
    if form.kind == "json":
        terminal.write(json.dumps(value, indent=2, ensure_ascii=False))
    elif form.kind == "value":
        _write_values([value], form.fields)
    else:
        terminal.write(_yaml(value))


def show_list(
    rows: Iterable[Any], form: Format | None, columns: Sequence[Column], empty: str
) -> None:
    """Write a list of results, as a table unless another form is chosen.

    ``empty`` is the message for people if there are none.
    """
    match form.kind if form else "table":
        case "json":
            _write_json(rows)
        case "yaml":
            for row in rows:
                terminal.write(f"---\n{_yaml(row)}")
        case "value":
            _write_values(rows, form.fields if form else ())
        case _:
            _write_table(iter(rows), columns, empty)


def _write_json(rows: Iterable[Any]) -> None:
    """Write a JSON array, a row at a time."""
    separator = "["
    for row in rows:
        text = json.dumps(row, indent=2, ensure_ascii=False).replace("\n", "\n  ")
        terminal.write(f"{separator}\n  {text}", end="")
        separator = ","
    terminal.write("[]" if separator == "[" else "\n]")


def _write_values(rows: Iterable[Any], fields: Sequence[str]) -> None:
    clean = terminal.printable if sys.stdout.isatty() else str
    for row in rows:
        terminal.write("\t".join(clean(_text(field(row, each))) for each in fields))


def _yaml(value: Any) -> str:
    import yaml

    return yaml.safe_dump(value, default_flow_style=False, allow_unicode=True).rstrip("\n")


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def _write_table(rows: Iterator[Any], columns: Sequence[Column], empty: str) -> None:
    on_terminal = sys.stdout.isatty()
    write = _write_rich if on_terminal else _write_plain
    first = True
    while chunk := list(itertools.islice(rows, _CHUNK)):
        if first and on_terminal:
            columns = fitting(chunk, columns, shutil.get_terminal_size().columns)
        write(chunk, columns, head=first)
        first = False
    if first:
        terminal.note(empty)


def fitting(rows: Iterable[Any], columns: Sequence[Column], width: int) -> list[Column]:
    """Return the columns that fit a terminal's width: names are not readable when they shrink."""
    rows, shown = list(rows), list(columns)
    widths = {
        each: max(len(each.label), *(len(each.cell(row)) for row in rows), 0) for each in shown
    }
    while sum(widths[each] + _GAP for each in shown) - _GAP > width:
        least = max(shown, key=lambda each: each.rank)
        if least.rank == 0:
            break
        shown.remove(least)
    return shown


def rich_table(rows: Iterable[Any], columns: Sequence[Column], *, head: bool = True) -> Any:
    """Return a table for a terminal, which fits its width."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=head, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.label, justify="right" if column.numeric else "left")
    for row in rows:
        table.add_row(*(Text(terminal.printable(column.cell(row))) for column in columns))
    return table


def _write_rich(rows: list[Any], columns: Sequence[Column], *, head: bool) -> None:
    from rich.console import Console

    Console().print(rich_table(rows, columns, head=head))


def _write_plain(rows: list[Any], columns: Sequence[Column], *, head: bool) -> None:
    lines = [[terminal.printable(column.cell(row)) for column in columns] for row in rows]
    labels = [column.label for column in columns]
    widths = [max(map(len, cells)) for cells in zip(labels, *lines, strict=True)]
    for line in ([labels] if head else []) + lines:
        terminal.write("  ".join(map(str.ljust, line, widths)).rstrip())
