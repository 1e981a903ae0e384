"""A federation of one, a local run and an interrupted run of the same total steps give the same bytes."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.end_to_end.federation import (
    HORIZON,
    PATIENCE,
    STUDY,
    Copy,
    Strike,
    Template,
    nine_pictures,
    weights_digest,
    worker,
)
from wardround.engine.imaging import read_label, write_label
from wardround.lab.processes import Machine, Program, module_command
from wardround.site_client.events import Event

pytestmark = pytest.mark.timeout(3 * PATIENCE)


def local_run(template: Template, folder: Path) -> Program:
    """`wardround fit` on the only site's cases, for as many steps as the federation's rounds have together."""
    command = module_command(
        "wardround.engine.cli",
        *("fit", template.study, "--manifest", template.manifests["north"], "--out", folder),
        *("--steps", str(HORIZON.total_steps), "--threads", "1", "--device", "cpu"),
    )
    return Program("fit", command, Machine(threads=1), folder.with_name(f"{folder.name}.log"))


def finished(program: Program, folder: Path) -> str:
    """Digest of the weights after the last step."""
    program.finish()
    return weights_digest(folder / "fold-0" / "model" / "last.safetensors")


def test_one_site_learns_what_a_local_run_learns(
    lone_template: Template, tmp_path: Path, lone_undisturbed: str
) -> None:
    assert finished(local_run(lone_template, tmp_path / "run"), tmp_path / "run") == lone_undisturbed


def test_one_site_that_is_killed_in_every_round_learns_the_same(
    lone_template: Template, federation_of: Copy, lone_undisturbed: str
) -> None:
    federation = federation_of(lone_template)
    federation.start()
    strikes = [Strike(worker("north"), Event.CHECKPOINT_SAVED, nth) for nth in (3, HORIZON.local_steps + 6)]
    assert federation.finish(strikes) == lone_undisturbed
    assert len(federation.said(worker("north"), Event.STARTED)) == 3


def test_a_local_run_that_is_interrupted_learns_the_same(
    lone_template: Template, tmp_path: Path, lone_undisturbed: str
) -> None:
    folder = tmp_path / "run"
    first = local_run(lone_template, folder)
    try:
        deadline = time.monotonic() + PATIENCE
        while not (folder / "fold-0" / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        first.send(signal.SIGTERM)
        assert first.wait(PATIENCE) == 130, "the run was over before it could be interrupted"
    finally:
        first.stop()
    assert finished(local_run(lone_template, folder), folder) == lone_undisturbed


@pytest.mark.slow
def test_one_site_learns_of_regions_what_a_local_run_learns(tmp_path: Path, federation_of: Copy) -> None:
    text = STUDY.replace("classes: {inner: 1, outer: 2}", "regions: {both: [1, 2], inner: 1}\nignore: 255")
    assert text != STUDY
    template = Template.prepare(tmp_path / "made" / "federation", sites=("north",), text=text, cohort=partly_marked)
    federation = federation_of(template)
    federation.start()
    assert finished(local_run(template, tmp_path / "run"), tmp_path / "run") == federation.finish()


def partly_marked(folder: Path, seed: int) -> Path:
    """Pictures whose masks are ignored in their first rows; the path of their manifest."""
    manifest = nine_pictures(folder, seed)
    for path in sorted((folder / "labels").iterdir()):
        mask, grid = read_label(path)
        mask[:6] = 255
        write_label(path, mask, grid)
    return manifest
