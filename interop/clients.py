"""The clients of Cloud Tasks that ``interop.run`` runs, and how their programs are prepared."""

import sys
from pathlib import Path
from typing import NamedTuple

from drayman.tasks_v2 import rpcs

SOURCES = Path(__file__).parent
BUILD = SOURCES.parent / "build" / "interop"
"""Where programs are copied, with what they need: ``make clean`` removes it."""
CACHES = {
    "CARGO_HOME": str(BUILD / "caches" / "cargo"),
    "GOFLAGS": "-modcacherw -mod=readonly",
    "GOMODCACHE": str(BUILD / "caches" / "go"),
    "npm_config_cache": str(BUILD / "caches" / "npm"),
}
"""The environment that makes toolchains keep downloads below ``BUILD``."""
MAVEN_REPOSITORY = BUILD / "caches" / "maven"


class Language(NamedTuple):
    """A folder of programs.

    Attributes:
        name: Its name, below ``interop``.
        tools: The programs that it needs.
        fetch: The command that downloads what the programs use; empty if nothing is.
        build: The command that compiles the programs without downloads; empty if nothing is.
    """

    name: str
    tools: tuple[str, ...] = ()
    fetch: tuple[str, ...] = ()
    build: tuple[str, ...] = ()


class Client(NamedTuple):
    """A client of Cloud Tasks, and the program that calls it.

    Attributes:
        name: Its name.
        language: The language of its program.
        command: The program; the address, the location and the target are appended.
        package: Its name in ``manifest``.
        manifest: The file that has its version, in its language's folder; "" if the command
            ``package`` prints its version.
        absent: The calls that it does not have.
        extra: The calls that it has beside those of all others.
        deliveries: The tasks that its program has delivered.
    """

    name: str
    language: Language
    command: tuple[str, ...]
    package: str
    manifest: str
    absent: frozenset[str] = frozenset()
    extra: frozenset[str] = frozenset()
    deliveries: tuple[str, ...] = ("first", "run", "batch", "retry")

    @property
    def calls(self) -> frozenset[str]:
        """The calls that its program has to check."""
        return CALLS - self.absent | self.extra


CALLS = frozenset(rpc.name for rpc in (*rpcs.RPCS, *rpcs.MIXINS))
"""The calls that Google's newest clients have."""
BATCHES = frozenset({"BatchCreateTasks", "BatchDeleteTasks", "GetOperation"})
CMEK = frozenset({"GetCmekConfig", "UpdateCmekConfig"})
LOCATIONS = frozenset({"GetLocation", "ListLocations"})
"""Calls that Node.js asks for below ``/v1`` over REST, where Cloud Tasks has nothing."""
ONE_BY_ONE = ("first", "run", "retry")
"""The deliveries of a client without batches."""

PYTHON = Language("python")
NODE = Language(
    "node",
    ("node", "npm"),
    ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"),
)
GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl"
GO = Language(
    "go", ("go",), ("go", "list", "-deps", ".", GRPCURL), ("go", "build", "-o", ".", ".", GRPCURL)
)
JAVA = Language(
    "java",
    ("java", "javac", "mvn"),
    ("mvn", "-q", "-B", f"-Dmaven.repo.local={MAVEN_REPOSITORY}", "dependency:build-classpath"),
    ("sh", "-c", 'javac -cp "$(cat classpath)" Program.java'),
)
RUST = Language("rust", ("cargo",), ("cargo", "fetch"), ("cargo", "build", "--offline", "--quiet"))
GCLOUD = Language("gcloud", ("gcloud",))

_JAVA = ("sh", "-c", 'exec java -cp "$(cat classpath):." Program "$@"', "sh")
_CONSTRAINTS = "../../constraints.txt"

CLIENTS = (
    *(
        Client(
            f"python-{transport}",
            PYTHON,
            (sys.executable, "program.py", transport),
            "google-cloud-tasks",
            _CONSTRAINTS,
        )
        for transport in ("grpc", "grpc_asyncio", "rest")
    ),
    *(
        Client(
            f"node-{transport}",
            NODE,
            ("node", "program.mjs", transport),
            "@google-cloud/tasks",
            "package.json",
            absent=BATCHES | CMEK | missing,
            deliveries=ONE_BY_ONE,
        )
        for transport, missing in (("grpc", frozenset()), ("rest", LOCATIONS))
    ),
    *(
        Client(
            f"go-{transport}",
            GO,
            ("./interop", transport),
            "cloud.google.com/go/cloudtasks",
            "go.mod",
        )
        for transport in ("grpc", "rest")
    ),
    *(
        Client(
            f"java-{transport}",
            JAVA,
            (*_JAVA, transport),
            "google-cloud-tasks",
            "pom.xml",
            absent=BATCHES | CMEK,
            deliveries=ONE_BY_ONE,
        )
        for transport in ("grpc", "rest")
    ),
    Client("rust-rest", RUST, ("target/debug/interop",), "google-cloud-tasks-v2", "Cargo.toml"),
    Client("grpcurl", GO, ("bash", "grpcurl.sh"), "github.com/fullstorydev/grpcurl", "go.mod"),
    Client(
        "gcloud",
        GCLOUD,
        ("bash", "gcloud.sh"),
        "Google Cloud SDK",
        "",
        absent=BATCHES | {"TestIamPermissions"},
        extra=frozenset({"BufferTask"}),
        deliveries=(*ONE_BY_ONE, "buffer"),
    ),
)
