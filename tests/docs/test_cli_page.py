"""The examples of the page on the command line print what it has."""

import re
import shlex
import subprocess
import sys

from pages import code_blocks

import processes

PAGE = "docs/cli.md"


def examples():
    """Yield the arguments and the output of each command of the page."""
    for block in code_blocks(PAGE, "console"):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = example.partition("\n")
            yield shlex.split(line), output


def test_each_command_prints_what_the_page_has(tmp_path):
    with processes.serve(tmp_path) as server, processes.run_worker() as worker:
        environment = processes.environment(DRAYMAN_STORE=f"sqlite:{tmp_path / 'tasks.db'}")
        for words, output in examples():
            if words[0] == "export":
                name, _, value = words[1].partition("=")
                environment[name] = server.grpc_address if name == "DRAYMAN_SERVER" else value
                continue
            assert words[0] == "drayman"
            arguments = [each.replace("http://localhost:8080", worker.url) for each in words[1:]]
            done = subprocess.run(
                [sys.executable, "-m", "drayman", *arguments], env=environment, cwd=tmp_path,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                timeout=2 * processes.PATIENCE, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout
            if words[1] != "backup":  # which prints sizes
                assert done.stdout.replace(worker.url, "http://localhost:8080") == output
