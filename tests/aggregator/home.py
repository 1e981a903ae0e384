"""A coordinator's folder as the commands make it."""

from __future__ import annotations

from pathlib import Path

from tests.aggregator.fakes import seeded_keys
from tests.support.commands import Outcome, run_wardround
from tests.support.studies import SEGMENTATION, write_study
from wardround.aggregator.cli import app
from wardround.federation.identities import EnrolmentRequest


def aggregator(*words: object) -> Outcome:
    """Run `aggregator`."""
    return run_wardround(*words, app=app)


def make_home(folder: Path, port: int, names: tuple[str, ...] = ("north", "south"), rounds: int = 3) -> Path:
    """A federation of these sites, listening on a port of this machine; its federation file."""
    study = write_study(folder / "study.yaml", SEGMENTATION)
    words = ("--name", "brains", "--study", study, "--address", f"127.0.0.1:{port}", "--folder", folder)
    assert aggregator("init", *words, "--rounds", rounds, "--local-steps", 7).code == 0
    config = folder / "federation.yaml"
    for name in names:
        assert aggregator("enroll", name, request(folder, name), "--config", config).code == 0
    return config


def request(folder: Path, name: str, keys_of: str | None = None) -> Path:
    """An enrolment request in a file; `keys_of` names the seed of the keys."""
    path = folder / f"{name}.pub"
    EnrolmentRequest.create(name, seeded_keys(keys_of or name)).save(path)
    return path


def rewrite(config: Path, old: str, new: str) -> None:
    """Change a federation file as a person with an editor would."""
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
