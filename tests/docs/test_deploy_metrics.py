"""The dashboard and the alerts query metrics that a server has, by labels that they have."""

import json
import re

import pytest
import yaml
from pages import ROOT
from prometheus_client.parser import text_string_to_metric_families

from drayman.observe.metrics import METRICS
from live import LiveServer

DASHBOARD = json.loads((ROOT / "deploy/grafana/drayman.json").read_text())
RULES = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
QUERIES = {
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in PANELS
        for target in panel["targets"]
    },
    **{rule["alert"]: rule["expr"] for rule in ALERTS},
}
LABELS = {
    "instance", "le", "version", "store", "role", *(name for row in METRICS for name in row.labels),
}  # fmt: skip


@pytest.fixture(scope="module")
def series():
    """The names of everything that a server exposes, with samples or without."""
    live = LiveServer()
    with live.connect() as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        text = b"".join(iter(lambda: connection.recv(1 << 16), b"")).partition(b"\r\n\r\n")[2]
    live.stop()
    names = set()
    for family in text_string_to_metric_families(text.decode()):
        names |= {
            family.name + suffix
            for suffix in {
                "counter": ("_total",),
                "histogram": ("_bucket", "_sum", "_count"),
            }.get(family.type, ("",))
        }
    return names


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_a_query_is_about_metrics_and_labels_that_exist(query, series):
    metrics = set(re.findall(r"\b(?:drayman|process)_\w+", query))
    grouped = re.findall(r"\bby \(([^)]*)\)", query)
    selected = re.findall(r"[{,](\w+)[=!]", query)
    assert metrics
    assert metrics <= series
    assert {label.strip() for group in grouped for label in group.split(",")} <= LABELS
    assert set(selected) <= LABELS
    assert query.count("(") == query.count(")")


def test_every_metric_of_the_server_is_on_the_dashboard_or_explained_by_help():
    shown = " ".join(QUERIES.values())
    unseen = {row.full_name for row in METRICS if row.name not in shown}
    assert unseen == {
        "drayman_queue_due_tasks",  # the age says more
        "drayman_store_failures_total",
        "drayman_tls_handshakes_failed_total",
    }


def test_panels_have_titles_and_ids_of_their_own_and_do_not_overlap():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in PANELS]
    assert len(set(places)) == len(places)


def test_variables_of_the_dashboard_are_defined():
    defined = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(PANELS)))
    assert used == defined | {"__rate_interval"}


def test_every_alert_says_what_is_the_matter():
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)
    for rule in ALERTS:
        assert rule["alert"].startswith("Drayman")
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"].endswith(("?", "."))
