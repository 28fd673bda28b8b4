"""The files for containers fit the server: settings, ports, probes, users, times."""

import itertools
import re

import dockerfile
import pytest
import yaml
from dockerfile import ROOT

import drayman
from drayman import access_setup
from drayman.access import roles
from drayman.api.context import Context
from drayman.api.http import HttpApp
from drayman.core.clock import SECOND
from drayman.server import CALLS_GRACE
from drayman.settings import CONFIG_VARIABLE, OPTIONS, load, read

DEPLOY = ROOT / "deploy"
BUILD, IMAGE = dockerfile.instructions()
UID = 10001
VARIABLES = {option.variable for option in OPTIONS} | {CONFIG_VARIABLE}
COMPOSE = {name: yaml.safe_load((DEPLOY / name).read_text())
           for name in ("compose.yaml", "compose-postgres.yaml")}  # fmt: skip
MANIFESTS = {
    path.stem: list(yaml.safe_load_all(path.read_text()))
    for path in (DEPLOY / "kubernetes").glob("*.yaml")
}
GRACE = load({}, {}).grace / SECOND + CALLS_GRACE


def own(variables):
    """Return the variables of drayman among others."""
    return {name: value for name, value in variables.items() if name.startswith("DRAYMAN_")}


def seconds(text):
    return int(str(text).removesuffix("s"))


def substituted(value):
    """Return a value of a compose file with its variables set."""
    return re.sub(r"\$\{\w+:\?[^}]*\}", "secret", value)


def workload(name):
    """Return the manifest that has the pods of a server."""
    (found,) = (each for each in MANIFESTS[name] if "template" in each["spec"])
    return found


def pod(name):
    return workload(name)["spec"]["template"]["spec"]


def container(name):
    (only,) = pod(name)["containers"]
    return only


def test_the_image_has_settings_of_the_server_and_needs_keys():
    variables = own(dockerfile.environment(IMAGE))
    assert variables.keys() <= VARIABLES
    settings = load({}, variables)
    assert (settings.host, settings.auth, settings.insecure) == ("0.0.0.0", "keys", False)
    access_setup.check_exposure(settings)
    assert dockerfile.command(IMAGE) == ["drayman", "serve"]
    assert dockerfile.arguments(IMAGE, "EXPOSE") == [str(settings.port)]
    assert dockerfile.arguments(IMAGE, "VOLUME") == ["/var/lib/drayman"]
    assert settings.store == "sqlite:/var/lib/drayman/drayman.db"


def test_the_image_runs_as_a_user_without_rights():
    assert dockerfile.arguments(IMAGE, "USER") == [f"{UID}:{UID}"]
    (create, folder) = dockerfile.arguments(IMAGE, "RUN")
    assert f"--uid {UID} " in create
    assert f"--owner={UID} --group={UID} --mode=0700 /var/lib/drayman" in folder


def test_the_builder_gets_what_the_image_is_made_of_and_no_more():
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = [each.split()[:-1] for each in dockerfile.arguments(BUILD, "COPY")]
    assert sent == set(itertools.chain(*copied))
    assert "*" in lines


@pytest.mark.parametrize("name", COMPOSE)
def test_a_server_of_a_compose_file_has_valid_settings_and_time_to_stop(name):
    server = COMPOSE[name]["services"]["drayman"]
    variables = {key: substituted(value) for key, value in own(server["environment"]).items()}
    assert variables.keys() <= VARIABLES
    reading = read({}, own(dockerfile.environment(IMAGE)) | variables)
    assert reading.problems == []
    access_setup.check_exposure(reading.settings)
    assert seconds(server["stop_grace_period"]) >= GRACE + 5
    assert (DEPLOY / server["build"]["context"]).resolve() == ROOT
    assert ROOT / server["build"]["dockerfile"] == dockerfile.DOCKERFILE
    assert server["read_only"]


@pytest.mark.parametrize("name", COMPOSE)
def test_an_example_is_published_on_this_machine_alone(name):
    ports = [each.get("ports", []) for each in COMPOSE[name]["services"].values()]
    assert list(itertools.chain(*ports)) == ["127.0.0.1:8123:8123"]


def test_the_file_with_several_servers_has_a_database_and_a_proxy():
    services = COMPOSE["compose-postgres.yaml"]["services"]
    server = services["drayman"]
    assert server["deploy"]["replicas"] == 3
    store = substituted(server["environment"]["DRAYMAN_STORE"])
    database = services["postgres"]["environment"]
    assert store == f"postgresql://{database['POSTGRES_USER']}:secret@postgres/drayman"
    assert database["POSTGRES_DB"] == "drayman"
    assert services["proxy"]["volumes"] == ["./Caddyfile:/etc/caddy/Caddyfile:ro"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_pod_has_valid_settings_and_time_to_stop(name):
    server = container(name)
    variables = {each["name"]: each.get("value", "postgresql://h/d") for each in server["env"]}
    assert variables.keys() <= VARIABLES
    command, *flags = server["args"]
    assert command == "serve"
    arguments = dict(flag.removeprefix("--").replace("-", "_").split("=") for flag in flags)
    reading = read(arguments, own(dockerfile.environment(IMAGE)) | variables)
    assert reading.problems == []
    before = server.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [0])
    grace = pod(name)["terminationGracePeriodSeconds"]
    assert grace >= int(before[-1]) + GRACE + 5


@pytest.mark.parametrize("name", MANIFESTS)
def test_variables_of_services_do_not_become_settings(name):
    assert pod(name)["enableServiceLinks"] is False


@pytest.mark.parametrize("name", MANIFESTS)
def test_probes_ask_for_pages_that_exist(name):
    server = container(name)
    app = HttpApp(Context(*[None] * 5))
    (port,) = server["ports"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = server[probe]["httpGet"]
        assert asked["path"] in app.pages
        assert asked["port"] == port["name"]
    assert server["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert port["containerPort"] == int(*dockerfile.arguments(IMAGE, "EXPOSE"))


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_select_the_pods_and_name_this_version(name):
    labels = workload(name)["spec"]["template"]["metadata"]["labels"]
    for each in MANIFESTS[name]:
        selector = each["spec"].get("selector") or each["spec"]["podSelector"]
        assert selector.get("matchLabels", selector) == labels
    assert container(name)["image"] == f"drayman:{drayman.__version__}"


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_pod_runs_as_the_user_of_the_image_and_changes_its_store_alone(name):
    context, server = pod(name)["securityContext"], container(name)
    assert (context["runAsUser"], context["runAsNonRoot"]) == (UID, True)
    assert server["securityContext"]["readOnlyRootFilesystem"]
    mounts = {each["mountPath"] for each in server["volumeMounts"]}
    assert mounts == {"/tmp"} | ({"/var/lib/drayman"} if name == "sqlite" else set())


def test_a_store_in_a_file_has_one_server():
    assert workload("sqlite")["kind"] == "StatefulSet"
    assert workload("sqlite")["spec"]["replicas"] == 1
    assert workload("postgres")["kind"] == "Deployment"


@pytest.mark.parametrize(
    "path", ["docs/deploy.md", "deploy/kubernetes/sqlite.yaml", "deploy/kubernetes/postgres.yaml"]
)
def test_the_key_of_an_operator_permits_counts_metrics_and_dead_letters(path):
    examples = re.findall(r"keys create \w+ --role (\S+?)[`\n]", (ROOT / path).read_text())
    assert examples
    for role in examples:
        assert roles.ROLES["roles/drayman.admin"] <= roles.permissions([role])
