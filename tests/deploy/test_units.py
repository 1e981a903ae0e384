"""The systemd units: sound to systemd, and as strict as deploy/README.md says."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT
from wardround.site_client.between.two_users import FOR_TWO

UNITS = sorted((CHECKOUT / "deploy" / "systemd").glob("*.service"))
WORKER = "wardround-site-worker.service"
COURIER = "wardround-site-courier.service"


def _service(name: str) -> dict[str, str]:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(CHECKOUT / "deploy" / "systemd" / name)
    return dict(parser["Service"])


def _lines(name: str, key: str) -> list[str]:
    text = (CHECKOUT / "deploy" / "systemd" / name).read_text()
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def test_there_are_three_units() -> None:
    assert [unit.name for unit in UNITS] == ["wardround-aggregator.service", COURIER, WORKER]


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed on this machine")
    programs = str(Path(sys.executable).parent)
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/wardround/bin", programs))
    paths = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run([program, "verify", "--man=no", *paths], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_every_unit_is_confined(unit: Path) -> None:
    service = _service(unit.name)
    strict = {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "CapabilityBoundingSet": "", "UMask": "0077"}
    assert {key: service[key] for key in strict} == strict
    assert service["User"] != "root"


def test_the_worker_has_no_network_and_no_keys() -> None:
    service = _service(WORKER)
    assert service["PrivateNetwork"] == "yes"
    assert service["RestrictAddressFamilies"] == "AF_UNIX"
    assert _lines(WORKER, "InaccessiblePaths") == ["-/var/lib/wardround-site/keys"]


def test_courier_and_worker_are_two_users_of_one_group() -> None:
    """And they write in the work folder alone: systemd gives the whole folder to neither of them."""
    courier, worker = _service(COURIER), _service(WORKER)
    assert courier["User"] != worker["User"]
    assert courier["Group"] == worker["Group"] == "wardround-site"
    for name in (COURIER, WORKER):
        assert _lines(name, "ReadWritePaths") == ["/var/lib/wardround-site/work"]
        assert _lines(name, "StateDirectory") == []


def test_the_courier_sees_no_images() -> None:
    assert "-/srv/wardround-data" in _lines(COURIER, "InaccessiblePaths")
    assert _lines(WORKER, "ReadOnlyPaths") == ["-/srv/wardround-data"]


def test_the_pages_say_what_the_units_do() -> None:
    """User, folder, what is closed to whom, and that nothing is started again after bad input."""
    pages = "\n".join((CHECKOUT / name).read_text() for name in ("docs/hospital-it.md", "deploy/README.md"))
    users = {_service(name)["User"] for name in (COURIER, WORKER)}
    folders = {_service(name)["WorkingDirectory"] for name in (COURIER, WORKER)}
    assert users == {"wardround-courier", "wardround-worker"}
    assert folders == {"/var/lib/wardround-site"}
    assert "They run as two users in `/var/lib/wardround-site`" in pages
    assert all(f"useradd --system --no-create-home --gid wardround-site {user}\n" in pages for user in users)
    assert f"install -d -g wardround-site -m {FOR_TWO:o} work\n" in pages
    assert "A unit that ends with exit code 2 is not started again" in pages
    for unit in UNITS:
        assert "2" in _service(unit.name)["RestartPreventExitStatus"].split()
        assert f"--config {_service(unit.name)['WorkingDirectory']}/" in _service(unit.name)["ExecStart"]
