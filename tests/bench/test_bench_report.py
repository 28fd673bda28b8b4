"""Medians, spread and ratios; options; times of other systems."""

import dataclasses

import pytest

from bench import __main__ as harness
from bench import processes, report, servers
from bench.rounds import Row, measure
from bench.runs import Figure


def row(ours, theirs=(), *, higher_is_better=True, limit=None):
    def figures(values):
        return [Figure(each, "s", higher_is_better=higher_is_better, cpu=10.0) for each in values]

    return Row("line", limit, {"ours": figures(ours), "theirs": figures(theirs)})


def test_a_ratio_over_one_is_better_whatever_the_unit():
    assert report.ratios(row([4, 9], [2, 3]), "ours", "theirs") == [2, 3]
    slower = row([4, 9], [2, 3], higher_is_better=False)
    assert report.ratios(slower, "ours", "theirs") == [0.5, 1 / 3]


def test_the_table_has_medians_with_lowest_and_highest_and_cpu_time():
    *_, line = report.markdown([row([4, 9, 5000], [2, 3, 5000])], ["ours", "theirs"]).split("\n")
    assert line == (
        "| line | 9 s (4 to 5,000) | 10 | 3 s (2 to 5,000) | 10 | 2.00 (1.00 to 3.00) |"
    )


def test_a_server_without_figures_has_a_reason_in_the_table():
    missing = Row("line", missing={"theirs": "no REST"}, samples=row([4]).samples | {"theirs": []})
    *_, line = report.markdown([missing], ["ours", "theirs"]).split("\n")
    assert line == "| line | 4 s | 10 | no REST |  |  |"


def test_a_server_near_the_limit_of_the_load_generator_is_not_reported():
    limited = row([1_000], [1_001], limit="grpc-64")
    report.refuse_limited([limited], {"grpc-64": Figure(1_500, "calls/s")})
    assert list(limited.samples) == ["ours"]
    assert limited.missing == {"theirs": "too close to the load generator's 1,500"}


@pytest.mark.parametrize(
    ("text", "seconds"), [("0:01.50", 1.5), ("01:02:03", 3_723), ("2-00:00:01", 172_801)]
)
def test_processor_times_of_ps_are_parsed(text, seconds):
    assert processes.parse_ps_time(text) == seconds


def test_lines_are_chosen_by_the_first_parts_of_their_names():
    def names(chosen, *more):
        return [line.name for line in harness.read_options(["--lines", chosen, *more]).lines]

    assert names("create-grpc-64,drain") == [
        "create-grpc-64-durable", "create-grpc-64-relaxed", "drain",
    ]  # fmt: skip
    assert names("pending") == ["pending-0", "pending-1m"]
    assert names("pending", "--large") == ["pending-0", "pending-1m", "pending-10m"]
    assert "pending-10m" not in names("")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--lines", "creates"],
        ["--peer", "x"],
        ["--peer", "x=run it"],
        ["--peer", "x=run {port} {speed}"],
    ],
)
def test_unknown_lines_and_peers_that_cannot_be_started_are_errors_of_usage(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        harness.read_options(arguments)
    assert error.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_the_servers_of_a_line_alternate():
    line = harness.read_options(["--lines", "drain"]).lines[0]
    order = []

    def start(candidate, durability):
        order.append((candidate.name, durability))
        return candidate

    line = dataclasses.replace(line, measure=lambda _: [Figure(1.0, "s")])
    candidates = [servers.DRAYMAN, servers.TRIVIAL]
    (drain,) = measure(line, candidates, 2, start, lambda _: None)
    assert order == [("drayman", "safe"), ("trivial", "safe")] * 2
    assert len(drain.samples["trivial"]) == 2


def test_a_round_that_measured_nothing_has_no_ratio():
    assert report.ratios(row([2, 0, 3], [1, 4, 0]), "ours", "theirs") == [2]
