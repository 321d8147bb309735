"""docs/serve.md: what can be read by a machine is right."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
import yaml

from tfgan2 import cli
from tfgan2.serve import Limits

HERE = Path(__file__).parents[2]
PAGE = (HERE / "docs" / "serve.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture
def manifests():
    (text,) = blocks("yaml")
    return {item["kind"]: item for item in yaml.safe_load_all(text)}


def options(words):
    """The options of `tfgan2 serve` as it understands them."""
    command = typer.main.get_command(cli.make_app([])).commands["serve"]
    return command.make_context("serve", [*words]).params


def test_the_deployment(manifests, client):
    pod = manifests["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    (dockerfile,) = blocks("dockerfile")
    file = container["args"][0]
    assert f" {file}\n" in dockerfile and f'CMD ["{file}"]' in dockerfile
    (line,) = re.findall("^ENTRYPOINT (.*)$", (HERE / "Dockerfile").read_text("utf-8"), re.M)
    entry = json.loads(line)
    assert entry[:2] == ["tfgan2", "serve"]
    given = options([*entry[2:], *container["args"]])
    assert given["host"] == "0.0.0.0"
    assert [port["containerPort"] for port in container["ports"]] == [given["port"]]
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(given["port"])
    assert str(given["threads"]) == container["resources"]["limits"]["cpu"]
    grace = pod["spec"]["terminationGracePeriodSeconds"]
    assert grace > given["drain_delay"] + given["drain_timeout"] + 2
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container[name]["httpGet"]
        assert probe["port"] == container["ports"][0]["name"]
        assert client.get(probe["path"]).status_code == 200
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"  # draining is no death


def test_the_service_finds_the_pods(manifests):
    deployment, service = manifests["Deployment"]["spec"], manifests["Service"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert service["selector"] == deployment["selector"]["matchLabels"] == labels
    (container,) = deployment["template"]["spec"]["containers"]
    assert service["ports"][0]["targetPort"] == container["ports"][0]["name"]


def test_every_option_and_address_is_told(client):
    command = typer.main.get_command(cli.make_app([])).commands["serve"]
    table = PAGE.split("## Limits")[1].split("## Metrics")[0]
    names = {name for item in command.params for name in item.opts if name.startswith("--max")}
    assert names
    for name in names | {"--timeout", "--drain-delay", "--drain-timeout", "--threads"}:
        assert f"| `{name}` |" in table
    paths = set(client.get("/openapi.json").json()["paths"]) | {"/translate", "/docs"}
    for path in paths:
        assert re.search(rf"`(GET|POST) {re.escape(path)}`", PAGE), path


def test_the_defaults_are_those_of_the_code():
    found = re.findall(r"^\| `--([a-z-]+)` \| ([\d,]+)( s)? \|", PAGE, re.M)
    defaults = {name.replace("-", "_"): float(value.replace(",", "")) for name, value, _ in found}
    assert len(defaults) >= 8
    assert defaults == {name: getattr(Limits(), name) for name in defaults}
