"""A site as the systemd units run it: courier and worker are two users, and neither can do what is the other's.

The whole run is done by real processes under two user ids of their own, which root alone can give them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.federation import PATIENCE, Federation, Template
from tests.support.users import COURIER, GROUP, WORKER, may
from wardround.lab.processes import Machine, module_command
from wardround.lab.settings_files import change_settings
from wardround.site_client.between.two_users import FOR_TWO
from wardround.site_client.courier.kept_model import KeptModel

SITE = "north"


def _others_reach(path: str) -> bool:
    """Whether every user of this machine gets to a file."""
    return all(place.stat().st_mode & 0o001 for place in Path(path).resolve().parents)


pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes as other users"),
    pytest.mark.skipif(
        not (_others_reach(sys.executable) and _others_reach(__file__)),
        reason="other users cannot reach this machine's Python or the checkout; what is handed over is proved by "
        "tests/site_client/between/test_two_users.py as well, which starts no other Python",
    ),
]


@pytest.fixture
def federation(lone_template: Template) -> Iterator[Federation]:
    """One site whose folders two users share, as deploy/README.md lays them out, in a place that both can reach."""
    place = Path(tempfile.mkdtemp(prefix="two-users-"))
    try:
        place.chmod(0o755)
        with lone_template.copy(place / "federation") as federation:
            _lay_out(federation, place, lone_template)
            yield federation
    finally:
        shutil.rmtree(place)


def _lay_out(federation: Federation, place: Path, template: Template) -> None:
    site, images = federation.lab.site_folder(SITE), place / "images"
    for folder in (federation.lab.folder, site.parent, site):
        folder.chmod(0o755)
    shutil.copytree(template.manifests[SITE].parent, images)
    _own(images, WORKER, WORKER)
    images.chmod(0o700)
    change_settings(federation.lab.site_file(SITE), {"manifest": str(images / template.manifests[SITE].name)})
    _own(site / "keys", COURIER, COURIER)
    work = federation.lab.work_folder(SITE)
    work.mkdir(exist_ok=True)
    os.chown(work, 0, GROUP)
    work.chmod(FOR_TWO)


def _own(root: Path, user: int, group: int) -> None:
    for path in (root, *root.rglob("*")):
        os.chown(path, user, group)


@contextmanager
def _running(user: int, command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of a user whose group is the site's; it has ended when the block has."""
    environment = {**Machine(threads=1).environment(), "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd="/",
            user=user,
            group=GROUP,
            extra_groups=[],
            umask=0o077,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.slow
def test_a_run_of_two_users_gives_the_weights_of_one(federation: Federation, lone_undisturbed: str) -> None:
    site, work = federation.lab.site_file(SITE), federation.lab.work_folder(SITE)
    with ExitStack() as stack:
        federation.start_aggregator()
        for user, role in ((COURIER, "courier"), (WORKER, "worker")):
            command = module_command("wardround.site_client", role, "--config", site)
            stack.enter_context(_running(user, command, federation.lab.folder / f"{role}.log"))
        assert federation.finish() == lone_undisturbed
        deadline = time.monotonic() + PATIENCE
        while KeptModel(work).card() is None and time.monotonic() < deadline:
            time.sleep(0.2)
    _look_at_what_lies_there(federation, work)


def _look_at_what_lies_there(federation: Federation, work: Path) -> None:
    """Each process can read its own and what is handed to it, and change nothing of the other's."""
    keys = federation.lab.site_folder(SITE) / "keys"
    key, images = next(keys.glob("*.key")), Path(federation.lab.folder.parent / "images")
    account = next((work / "account").iterdir())
    store, log = work / "store", work / "events" / "worker.jsonl"
    refused = {
        "keys": (WORKER, key.read_bytes),
        "account": (WORKER, account.read_bytes),
        "account moved away": (WORKER, lambda: (work / "account").rename(work / "gone")),
        "policy": (WORKER, lambda: (work.parent / "policy.yaml").write_text("schema: 1\n")),
        "agreement": (WORKER, lambda: (work.parent / "accepted.json").unlink()),
        "lock removed": (WORKER, (work / "courier.lock").unlink),
        "images": (COURIER, lambda: list(images.iterdir())),
        "preprocessed cases": (COURIER, lambda: list(store.iterdir())),
        "worker's log": (COURIER, log.read_bytes),
        "sets of patients": (COURIER, lambda: list((work / "cohorts").iterdir())),
    }
    assert [name for name, (user, act) in refused.items() if may(user, act)] == []
    open_to_all = [path for path in work.rglob("*") if path.stat().st_mode & 0o007]
    assert open_to_all == []
    kept = KeptModel(work).folder
    assert may(WORKER, lambda: [path.read_bytes() for path in kept.iterdir()])
    assert may(WORKER, (work / "report.html").read_bytes)
