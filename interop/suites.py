"""Run suites that others wrote against Drayman's edge, and print their results as a table.

``make interop`` runs this. It needs Go, builds grpc-go's interoperability client and h2spec in
``build/interop/suites``, and takes half a minute once they are built. The exit status is 1 if a
case fails that should pass. docs/interoperability.md explains the cases, and those that do not
apply.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import uvloop

from drayman.server import Server
from drayman.settings import load
from interop import grpc_service

BUILD = Path(__file__).parents[1] / "build" / "interop" / "suites"
GRPC_GO = "google.golang.org/grpc/interop/client@v1.85.0"
H2SPEC = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
NO_GO = """\
make interop needs Go 1.26 or newer, which builds grpc-go's client and h2spec: https://go.dev/dl/
"""
METADATA = "-additional_metadata=x-text:a b;x-octets-bin:\x01\x02\xff"
"""What the client sends with each call, beside what the case demands."""
CASE_TIMEOUT = 60
"""Seconds after which a program is ended and its case counts as failed."""
RETRIES = 3
"""Further runs of a section of h2spec of which a case has failed."""

CASES = {
    "empty_unary": (),
    "large_unary": (),
    "client_streaming": (),
    "server_streaming": (),
    "ping_pong": (),
    "empty_stream": (),
    "timeout_on_sleeping_server": (),
    "cancel_after_begin": (),
    "cancel_after_first_response": (),
    "status_code_and_message": (),
    "special_status_message": (),
    "unimplemented_method": (),
    "unimplemented_service": (),
    "pick_first_unary": (),
    "rpc_soak": ("-soak_iterations=500", "-soak_num_threads=5"),
    "channel_soak": ("-soak_iterations=100",),
}
"""The cases of grpc-go's client that apply, with their options."""

PRIORITY_IS_IGNORED = "libnghttp2 ignores PRIORITY since 1.65 (nghttp2#2365)"
CLOSED_IS_IGNORED = "libnghttp2 forgets closed streams since 1.65 (nghttp2#2365)"
EXPECTED = {
    "http2/3.5 Sends invalid connection preface": "one port: HTTP/1.1 answers with 400 and closes",
    "http2/5.1 closed: Sends a DATA frame after sending RST_STREAM frame": CLOSED_IS_IGNORED,
    "http2/5.1 closed: Sends a HEADERS frame after sending RST_STREAM frame": CLOSED_IS_IGNORED,
    "http2/5.1 closed: Sends a DATA frame": CLOSED_IS_IGNORED,
    "http2/5.1 closed: Sends a HEADERS frame": CLOSED_IS_IGNORED,
    "http2/5.1.1 Sends stream identifier that is numerically smaller than previous": (
        "libnghttp2 ignores it (nghttp2#2278)"
    ),
    "http2/5.3.1 Sends PRIORITY frame that depend on itself": PRIORITY_IS_IGNORED,
    "http2/6.3 Sends a PRIORITY frame with 0x0 stream identifier": PRIORITY_IS_IGNORED,
    "http2/6.9.1 Sends multiple WINDOW_UPDATE frames increasing the flow control window to above "
    "2^31-1 on a stream": "libnghttp2 ends the connection, not the stream (nghttp2#2845)",
}
"""The cases of h2spec that may fail, and why."""


class Result(NamedTuple):
    """The result of a case.

    Attributes:
        suite: Whose case it is.
        case: Its name.
        problem: What the suite reports; empty if the case passed.
        expected: Why the case may fail; empty if it may not.
    """

    suite: str
    case: str
    problem: str
    expected: str = ""

    @property
    def failed(self) -> bool:
        """Whether the case failed that should pass."""
        return bool(self.problem) and not self.expected


def build() -> None:
    """Build the two programs; what is built already costs a second."""
    environment = os.environ | {"GOBIN": str(BUILD)}
    for package in (GRPC_GO, H2SPEC):
        subprocess.run(["go", "install", package], env=environment, check=True)


def run(*command: str) -> tuple[int, str]:
    """Run a program; return its exit status and its last line."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=CASE_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, f"not done within {CASE_TIMEOUT} s"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode, lines[-1] if lines else f"exit status {done.returncode}"


def call_case(port: int, case: str) -> Result:
    """Run a case of grpc-go's client."""
    options = ("-server_host=127.0.0.1", f"-server_port={port}", METADATA, *CASES[case])
    status, line = run(str(BUILD / "client"), f"-test_case={case}", *options)
    return Result("grpc-go", case, line if status else "")


def check_protocol(port: int) -> list[Result]:
    """Run all cases of h2spec, with those it calls strict.

    Cases that send an invalid frame after a request race with the response: the server refuses the
    request at once, as it is not gRPC, and ignores the frame once the stream is closed. So the
    sections of cases that fail run again, and a case has passed if it did so once.
    """
    results = h2spec(port)
    for _ in range(RETRIES):
        sections = {each.case.partition(" ")[0] for each in results if each.failed}
        if sections:
            results = merge(results, h2spec(port, *sections))
    return results


def merge(results: list[Result], again: Iterable[Result]) -> list[Result]:
    """Return the results with those of cases that pass in another run."""
    passed = {each.case: each for each in again if not each.problem}
    return [passed.get(each.case, each) if each.failed else each for each in results]


def h2spec(port: int, *sections: str) -> list[Result]:
    """Run the cases of sections of h2spec, or all."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ("-S", "-p", str(port), "-j", str(report))
        _, line = run(str(BUILD / "h2spec"), *sections, *options)
        results = list(parse_report(report.read_text())) if report.exists() else []
    return results or [Result("h2spec", "all", line)]


def parse_report(text: str) -> Iterable[Result]:
    """Yield the results of a report of h2spec: of each error, the last line is what happened."""
    # h2spec writes the payload of PING frames as it is, with its zeros.
    for case in ElementTree.fromstring(text.replace("\0", "")).iter("testcase"):
        name = f"{case.get('package')} {case.get('classname')}"
        problem = "".join(each.text or "" for each in case).strip().rpartition("\n")[2]
        yield Result("h2spec", name, problem, EXPECTED.get(name, ""))


def table(results: Iterable[Result]) -> str:
    """Return the results as lines: those of h2spec that pass are counted only."""
    lines, passed = [], 0
    for result in results:
        if result.suite == "h2spec" and not result.problem:
            passed += 1
            continue
        lines.append(f"{_verdict(result):9}{result.suite:9}{result.case}")
        if result.problem:
            lines.append(f"{'':18}{result.expected or result.problem}")
    return "\n".join([*lines, f"{'ok':9}{'h2spec':9}{passed} cases", ""])


def _verdict(result: Result) -> str:
    if not result.problem:
        return "ok"
    return "FAILED" if result.failed else "expected"


async def run_suites() -> list[Result]:
    """Run both suites: the client's against its service, h2spec against a whole server."""
    crashes: list[object] = []
    async with grpc_service.serve(crashes.append) as port:
        results = [await asyncio.to_thread(call_case, port, case) for case in CASES]
    results += [Result("grpc-go", "no handler crashes", str(crash)) for crash in crashes]
    server = Server(load({"port": "0", "store": "memory"}, {}))
    await server.start()
    try:
        results += await asyncio.to_thread(check_protocol, server.port)
    finally:
        await server.stop()
    return results


def main() -> int:
    """Build, run and report."""
    if shutil.which("go") is None:
        sys.stderr.write(NO_GO)
        return 2
    build()
    results = uvloop.run(run_suites())
    sys.stdout.write(table(results))
    return int(any(result.failed for result in results))


if __name__ == "__main__":
    sys.exit(main())
