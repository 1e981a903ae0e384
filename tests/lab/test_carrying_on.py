"""A real training that is carried on: two rounds and two more are four, and the sites are told each end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wardround.demo.demo import STUDY
from wardround.demo.hospitals import Cases, make_hospitals
from wardround.engine.basics.progress import Silent
from wardround.federation.event_log import read_entries
from wardround.federation.protocol import Horizon
from wardround.lab.lab import AGGREGATOR, SITE_CLIENT, Lab, LabSettings
from wardround.lab.processes import module_command, run_to_end
from wardround.site_client.events import Event, Role, log_path

SITES = ("harbour", "meadow")


def history(lab: Lab) -> list[tuple[int, str]]:
    """Rounds and digests of the global models."""
    lines = (lab.results / "history.jsonl").read_text().splitlines()
    return [(row["round"], row["model"]) for row in map(json.loads, lines)]


def run(lab: Lab, log: Path) -> None:
    """Start the aggregator and wait for its end."""
    lab.start_aggregator(watched=log)
    assert lab.wait_finished(400) == 0, log.read_text()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_rounds_and_two_more_are_four(tmp_path: Path) -> None:
    text = STUDY.read_text().replace("[3.0, 3.0, 3.0]", "[6.0, 6.0, 6.0]").replace("[32, 32, 32]", "[16, 16, 16]")
    study = tmp_path / "study.yaml"
    study.write_text(text.replace("schedule: cosine", "schedule: constant"))
    made = dict(make_hospitals(tmp_path / "hospitals", Cases(1, 1, 1), Silent(), spacing=6))
    manifests = {name: made[name] for name in SITES}
    with Lab(tmp_path / "whole", study, manifests, Horizon(rounds=4, local_steps=2), LabSettings()) as lab:
        lab.prepare()
        for name in SITES:
            lab.start_site(name)
        run(lab, tmp_path / "whole.log")
        whole = history(lab)
    with Lab(tmp_path / "parts", study, manifests, Horizon(rounds=2, local_steps=2), LabSettings()) as lab:
        lab.prepare()
        for name in SITES:
            lab.start_site(name)
        run(lab, tmp_path / "first.log")
        invitation = lab.coordinator / "invitation.json"
        words = ("continue", "--rounds", "4", "--out", invitation, "--config", lab.federation_file)
        said = run_to_end(module_command(AGGREGATOR, *words), lab.settings.machine, "continue")
        assert "rounds 2 -> 4" in said
        for name in SITES:
            accept = ("accept", invitation, "--config", lab.site_file(name), "--yes")
            run_to_end(module_command(SITE_CLIENT, *accept), lab.settings.machine, "accept")
        run(lab, tmp_path / "second.log")
        parts = history(lab)
        for name in SITES:
            events = [entry.event for entry in read_entries(log_path(lab.work_folder(name), Role.COURIER))]
            assert events.count(Event.RUN_COMPLETE) == 2
    assert parts == whole
    assert "harbour: 4 of 4 rounds" in (tmp_path / "second.log").read_text()
