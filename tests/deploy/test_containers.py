"""Container files, checked by reading them: no registry is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.checkout import CHECKOUT
from wardround.aggregator.coordination import load_coordination
from wardround.federation.health import health_service
from wardround.lab.processes import free_port
from wardround.site_client.agreement.agreement import load_agreement
from wardround.site_client.agreement.settings import load_settings

DOCKERFILES = ("Dockerfile.site", "Dockerfile.aggregator")
SITES = ("north", "east", "south")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the lab, anchors merged."""
    content = YAML(typ="safe").load((CHECKOUT / "deploy" / "compose.lab.yaml").read_text())
    return dict(content["services"])


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_name_their_base_by_digest_and_do_not_run_as_root(name: str) -> None:
    lines = (CHECKOUT / "deploy" / name).read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert bases == ["${BASE_IMAGE}@${BASE_DIGEST}"] * 2
    assert users == ["10001:10001"]
    assert any(line.startswith("HEALTHCHECK") for line in lines)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_every_install_is_constrained(name: str) -> None:
    lines = (CHECKOUT / "deploy" / name).read_text().splitlines()
    installs = [line for line in lines if "pip install" in line]
    assert len(installs) == 2
    assert all("-c constraints.txt" in line for line in installs)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_copied_from_the_checkout_exists_and_is_not_ignored(name: str) -> None:
    ignored = (CHECKOUT / ".dockerignore").read_text().splitlines()
    copies = [line.split()[1:-1] for line in (CHECKOUT / "deploy" / name).read_text().splitlines() if "COPY" in line]
    local = [word for words in copies for word in words if not words[0].startswith("--from")]
    assert local
    assert all((CHECKOUT / word).exists() and f"!{word}" in ignored for word in local)


def test_workers_have_data_and_no_network(services: dict[str, Any]) -> None:
    for site in SITES:
        worker = services[f"{site}-worker"]
        assert worker["network_mode"] == "none"
        assert worker["user"] == "10002:10001"
        assert "networks" not in worker
        assert any(volume.endswith("/site/data:ro") for volume in worker["volumes"])


def test_couriers_have_the_network_and_no_data(services: dict[str, Any]) -> None:
    for site in SITES:
        courier = services[f"{site}-courier"]
        assert courier["networks"] == ["lab"]
        assert not any("/site/data" in volume for volume in courier["volumes"])


def test_every_container_is_confined(services: dict[str, Any]) -> None:
    assert len(services) == 1 + 2 * len(SITES)
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_health_ports_are_those_that_the_lab_sets() -> None:
    script = (CHECKOUT / "deploy" / "prepare-lab.sh").read_text()
    for name, port in (("Dockerfile.site", "50051"), ("Dockerfile.aggregator", "9444")):
        assert f'healthcheck.py", "{port}"]' in (CHECKOUT / "deploy" / name).read_text()
        assert f"health_port: {port}" in script


def test_healthcheck_tells_a_serving_service_from_a_stopped_one() -> None:
    port, script = free_port(), CHECKOUT / "deploy" / "healthcheck.py"

    def code() -> int:
        return subprocess.run([sys.executable, str(script), str(port)], capture_output=True).returncode

    with health_service(port) as tell:
        assert code() == 1
        tell(True)
        assert code() == 0
    assert code() == 1


def test_prepare_lab_makes_folders_that_both_programs_accept(tmp_path: Path) -> None:
    script, study = CHECKOUT / "deploy" / "prepare-lab.sh", CHECKOUT / "configs" / "hippocampus" / "study.yaml"
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    lab = tmp_path / "lab"
    done = subprocess.run(
        [str(script), str(study), str(lab), "3", "7"],
        env={**os.environ, "PATH": programs},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr

    coordination = load_coordination(lab / "coordinator" / "federation.yaml")
    assert coordination.roster.names == tuple(sorted(SITES))
    for site in SITES:
        settings = load_settings(lab / site / "site.yaml")
        assert settings.health_port == 50051
        assert load_agreement(settings.accepted).plan == coordination.plan
