"""Each line of the benchmark harness runs, in a small size."""

import json
import re
import subprocess
import sys
from pathlib import Path

from bench import selftest, servers
from bench.lines import table
from bench.runs import Sizes

ROOT = Path(__file__).parents[2]


def run_bench(tmp_path, *arguments):
    """Run the harness; return what it wrote as JSON."""
    subprocess.run(
        [sys.executable, "-m", "bench", "--out", tmp_path, *arguments],
        cwd=ROOT,
        check=True,
        timeout=300,
        capture_output=True,
    )
    (path,) = tmp_path.glob("*.json")
    assert path.with_suffix(".md").exists()
    return json.loads(path.read_text())


def test_the_testing_kit_is_measured():
    command = [sys.executable, "-m", "bench.kit", "--tests", "10"]
    ended = subprocess.run(
        command, cwd=ROOT, check=False, timeout=300, capture_output=True, text=True
    )
    assert re.match(r"10 tests: .* s, .* ms each\nstart: .* ms; reset: .* ms\n", ended.stdout)


def test_each_line_yields_figures(tmp_path):
    sizes = ["--seconds", "0.1", "--rounds", "1", "--backlog", "100", "--pending", "100"]
    report = run_bench(tmp_path, "--large", *sizes)
    reasons = [why for row in report["rows"] for why in row["missing"].values()]
    # So short a measurement may be refused; it must not fail for any other reason.
    assert [why for why in reasons if not why.startswith("too close")] == []
    titles = {row["title"].partition(":")[0] for row in report["rows"]}
    assert titles == {line.title for line in table(Sizes(0.1, 100, 100))}
    assert sorted(report["limits"]) == sorted(selftest.NAMES)


def test_a_peer_is_compared_and_what_it_lacks_is_left_out_with_a_reason(tmp_path):
    # The server that only answers has no REST here, for it is given no port for that.
    peer = f"trivial={servers.PYTHON} -m bench.trivial --port {{port}}"
    lines = "create-grpc-1-relaxed,create-rest-64-relaxed"
    report = run_bench(
        tmp_path, "--lines", lines, "--peer", peer, "--seconds", "0.1", "--rounds", "1"
    )
    grpc, rest = report["rows"]
    assert {*grpc["samples"], *grpc["missing"]} == {"drayman", "trivial"}
    assert "not HTTP/1.1" in rest["missing"]["trivial"]
    assert rest["ratios"] == {"trivial": []}


def test_the_client_libraries_are_compared():
    shown = subprocess.run(
        [sys.executable, "-m", "bench.client", "--rounds", "1", "--calls", "5", "--count", "100"],
        cwd=ROOT,
        check=True,
        timeout=300,
        capture_output=True,
        text=True,
    ).stdout
    assert "create_task over REST" in shown
    assert "n/a" not in shown
