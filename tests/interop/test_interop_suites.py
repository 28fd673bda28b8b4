"""What the runner of the suites reports."""

from interop import suites

REPORT = """\
<testsuites><testsuite>
  <testcase package="http2/4.1" classname="passes"></testcase>
  <testcase package="http2/4.2" classname="fails"><error>GOAWAY Frame
PING Frame (opaque_data:h2spec\0\0)</error></testcase>
  <testcase package="http2/5.1" classname="closed: Sends a DATA frame"><error>Connection closed
Timeout</error></testcase>
</testsuite></testsuites>
"""


def test_only_a_failure_that_is_not_expected_fails():
    passed, failed, expected = suites.parse_report(REPORT)
    assert [each.failed for each in (passed, failed, expected)] == [False, True, False]
    assert failed.problem == "PING Frame (opaque_data:h2spec)"
    assert expected.problem == "Timeout"
    assert expected.expected == suites.CLOSED_IS_IGNORED


def test_a_case_that_passes_when_it_runs_again_has_passed():
    results = list(suites.parse_report(REPORT))
    again = [suites.Result("h2spec", "http2/4.2 fails", "")]
    merged = suites.merge(results, again)
    assert [bool(each.problem) for each in merged] == [False, False, True]
    assert suites.merge(results, []) == results


def test_the_table_gives_each_failure_with_its_reason():
    results = [suites.Result("grpc-go", "ping_pong", ""), *suites.parse_report(REPORT)]
    assert suites.table(results).splitlines() == [
        "ok       grpc-go  ping_pong",
        "FAILED   h2spec   http2/4.2 fails",
        "                  PING Frame (opaque_data:h2spec)",
        "expected h2spec   http2/5.1 closed: Sends a DATA frame",
        f"                  {suites.CLOSED_IS_IGNORED}",
        "ok       h2spec   1 cases",
    ]


def test_a_missing_go_is_an_error_that_names_it(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    assert suites.main() == 2
    assert "needs Go 1.26 or newer" in capsys.readouterr().err
