"""A federation of one, a local run and an interrupted run of the same total steps give the same bytes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.end_to_end.federation import AGGREGATOR, HORIZON, PATIENCE, Federation, Strike, Template, worker
from wardround.federation.payload import pack, payload_digest
from wardround.simulation.processes import Machine, Program, module_command
from wardround.site_client.events import Event

pytestmark = pytest.mark.timeout(3 * PATIENCE)


def weights(path: Path) -> str:
    """SHA-256 of a weights file's tensors as they cross the wire: names, types, shapes and bytes, without a header."""
    return payload_digest(pack({f"model/{name}": array for name, array in load_file(path).items()}))


def local_run(template: Template, folder: Path) -> Program:
    """`wardround fit` on the only site's cases, for as many steps as the federation's rounds have together."""
    command = module_command(
        "wardround.engine.cli",
        *("fit", template.study, "--manifest", template.manifests["north"], "--out", folder),
        *("--steps", str(HORIZON.total_steps), "--threads", "1", "--device", "cpu"),
    )
    return Program("fit", command, Machine(threads=1), folder.with_name(f"{folder.name}.log"))


def finished(program: Program, folder: Path) -> str:
    program.finish()
    return weights(folder / "fold-0" / "model" / "last.safetensors")


@pytest.fixture(scope="module")
def local(lone_template: Template, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Digest of the weights of an undisturbed local run."""
    folder = tmp_path_factory.mktemp("local") / "run"
    return finished(local_run(lone_template, folder), folder)


def test_one_site_learns_what_a_local_run_learns(
    lone_template: Template, federation_of: Callable[..., Federation], local: str
) -> None:
    federation = federation_of(lone_template)
    federation.start()
    federation.finish()
    assert federation.said(AGGREGATOR, "round_committed")[-1].facts["model"] == local
    assert weights(federation.lab.last_model / "model.safetensors") == local


def test_one_site_that_is_killed_in_every_round_learns_the_same(
    lone_template: Template, federation_of: Callable[..., Federation], local: str
) -> None:
    federation = federation_of(lone_template)
    federation.start()
    federation.finish([Strike(worker("north"), Event.CHECKPOINT_SAVED, nth) for nth in (3, 16)])
    assert len(federation.said(worker("north"), Event.STARTED)) == 3
    assert weights(federation.lab.last_model / "model.safetensors") == local


def test_a_local_run_that_is_interrupted_learns_the_same(lone_template: Template, tmp_path: Path, local: str) -> None:
    folder = tmp_path / "run"
    first = local_run(lone_template, folder)
    try:
        while not any((folder / "fold-0").glob("*checkpoint*")) and first.exit_code is None:
            time.sleep(0.01)
        first.send(signal.SIGTERM)
        assert first.wait(PATIENCE) == 130, "the run was over before it could be interrupted"
    finally:
        first.stop()
    assert finished(local_run(lone_template, folder), folder) == local
