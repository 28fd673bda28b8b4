"""Numbers, times and charts as pages show them."""

import pytest

from drayman.console import charts, formats
from drayman.core.clock import DAY, HOUR, MINUTE, SECOND
from drayman.core.rates import NO_HISTORY, Transition


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (350_000, "350 ms"), (SECOND, "1 s"), (119 * SECOND, "119 s"), (2 * MINUTE, "2 min"),
        (119 * MINUTE, "119 min"), (2 * HOUR, "2 h"), (47 * HOUR, "47 h"), (2 * DAY, "2 d"),
    ],
)  # fmt: skip
def test_a_duration_has_one_unit(value, text):
    assert formats.duration(value) == text


@pytest.mark.parametrize(
    ("text", "relative"),
    [
        ("1970-01-01T00:10:00Z", "now"),
        ("1970-01-01T00:10:00.500Z", "now"),
        ("1970-01-01T00:10:42.000001Z", "in 42 s"),
        ("1970-01-01T00:07:00Z", "3 min ago"),
    ],
)
def test_a_time_is_relative_to_now(text, relative):
    assert formats.relative(text, 10 * MINUTE) == relative


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.01, "<0.1"), (1.25, "1.2"), (9.96, "10.0"), (1234.5, "1,234")]
)
def test_a_rate_has_a_digit_after_the_point_below_ten(value, text):
    assert formats.rate(value) == text


def test_counts_and_sizes_are_for_people():
    assert formats.number(128_044) == "128,044"
    assert formats.number(1000, at_least=True) == "1,000+"
    assert formats.number(0.5) == "0.5"
    assert [formats.size(each) for each in (1, 1023, 1536, 3 << 20, 5 << 30)] == [
        "1 byte", "1023 bytes", "1.5 KiB", "3.0 MiB", "5,120.0 MiB",
    ]  # fmt: skip


def test_a_chart_has_a_point_for_each_quarter_of_a_minute():
    counts = [[0, 0, 0, 0] for _ in NO_HISTORY]
    counts[-1][Transition.COMPLETED] = 30
    counts[-2][Transition.RETRIED] = 10
    counts[-3][Transition.FAILED] = 5
    chart = charts.chart(counts, 118, 20)
    assert [(line.name, line.latest) for line in chart.lines] == [
        ("completed", 2.0), ("failed or retried", 1.0)
    ]  # fmt: skip
    assert chart.highest == 2.0
    points = chart.lines[0].points.split(" ")
    assert len(points) == 60
    assert (points[0], points[-1]) == ("0.0,19.0", "118.0,1.0")


def test_a_chart_of_nothing_is_a_line_at_the_bottom():
    chart = charts.chart(NO_HISTORY, 120, 24)
    assert chart.highest == 0
    assert [line.name for line in chart.lines] == ["completed"]
    assert {point.partition(",")[2] for point in chart.lines[0].points.split(" ")} == {"23.0"}
