"""The forms of output, apart from any command."""

import json

import pytest
from rich.console import Console

from drayman.commands import ages, output
from drayman.commands.output import Column, Format
from drayman.core.clock import DAY, HOUR, MINUTE, SECOND

ROW = {"name": "a/b", "deep": {"list": [1, "é"], "yes": True, "number": 1.5}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "a/b"),
        ("name.basename()", "b"),
        ("deep.number", 1.5),
        ("deep.list", [1, "é"]),
        ("deep.absent.further", None),
        ("name.further", None),
        ("deep.basename()", {"list": [1, "é"], "yes": True, "number": 1.5}),
    ],
)
def test_a_field_is_found_by_its_path(path, value):
    assert output.field(ROW, path) == value


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "0s"),
        (SECOND - 1, "0s"),
        (61 * SECOND, "1m 1s"),
        (HOUR, "1h"),
        (HOUR + SECOND, "1h"),
        (3 * DAY + 4 * HOUR + 5 * MINUTE, "3d 4h"),
    ],
)
def test_a_length_of_time_has_two_units(length, text):
    assert ages.span(length) == text


@pytest.mark.parametrize(
    ("distance", "text"),
    [(0, "now"), (SECOND - 1, "now"), (-SECOND, "1s ago"), (5 * MINUTE, "in 5m")],
)
def test_a_moment_is_relative_to_now(distance, text):
    assert ages.relative(DAY + distance, DAY) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [("1970-01-02T00:00:00Z", DAY), ("1970-01-02T00:00:00.000001999Z", DAY + 1)],
)
def test_times_of_json_are_read_to_the_microsecond(text, moment):
    assert ages.parse(text) == moment


def test_values_are_separated_by_tabs(capsys):
    output.show_list([ROW], Format("value", ("name", "deep.list", "absent", "deep.yes")), [], "")
    assert capsys.readouterr().out == 'a/b\t[1, "é"]\t\tTrue\n'


def test_a_json_array_is_valid_whatever_its_length(capsys):
    for length in range(3):
        output.show_list([ROW] * length, Format("json"), [], "")
        assert json.loads(capsys.readouterr().out) == [ROW] * length


def test_a_long_table_has_one_head(capsys):
    rows = [{"name": str(number)} for number in range(1_001)]
    output.show_list(rows, None, [Column("NAME", "name")], "")
    assert capsys.readouterr().out.splitlines() == ["NAME", *map(str, range(1_001))]


def test_control_characters_of_the_server_do_not_reach_the_terminal(capsys):
    output.show_list([{"name": "a\x1b[2Jb"}], None, [Column("NAME", "name")], "")
    assert capsys.readouterr().out == "NAME\na�[2Jb\n"


def test_a_table_on_a_terminal_fits_its_width():
    columns = [Column("NAME", "name"), Column("COUNT", "count", numeric=True)]
    console = Console(width=20)
    with console.capture() as capture:
        console.print(output.rich_table([{"name": "word " * 9, "count": 5}], columns))
    lines = capture.get().splitlines()
    assert all(len(line) <= 20 for line in lines)
    assert len(lines) > 2
