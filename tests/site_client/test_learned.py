"""A model that hospitals trained together, scored by hand at one of them: what it has seen there is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.site_client.support import Site, allow_changes, build_site, write_cohort
from tests.site_client.worker.test_pinned import add_row, opened, sets
from wardround.engine.cli.main import app
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.experiments.models import BEST, STUDY, write_study, write_weights


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site whose worker has begun to train."""
    site = build_site(tmp_path / "site")
    write_cohort(site)
    opened(site).pin()
    return site


@pytest.fixture
def model(site: Site, tmp_path: Path) -> Path:
    """The folder that the coordinator has sent."""
    bench = opened(site)._bench
    folder = tmp_path / "from the coordinator" / "best"
    write_study(folder / STUDY, bench.study)
    write_weights(folder / BEST, bench.study, bench.learner(1).weights(), 1)
    return folder


def _evaluate(site: Site, model: Path, *more: str) -> int:
    start = ["evaluate", str(model / STUDY), "--manifest", str(site.settings.manifest), "--model", str(model)]
    return run(app, [*start, "--json", "--device", "cpu", "--threads", "1", *more])


def test_what_a_site_trained_with_is_left_out(site: Site, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = sets(opened(site))
    work = ("--work", str(site.settings.work))
    capsys.readouterr()
    assert _evaluate(site, model, *work) == ExitCode.OK
    told = capsys.readouterr()
    assert {case["subject"] for case in json.loads(told.out)["cases"]} == {
        patient for patient, name in held.items() if name == "test"
    }
    assert "left out 4 of 9 cases, which the model has seen in training" in told.err
    assert "left out 2 of 9 cases, which the model has seen in validation" in told.err


def test_without_a_record_it_is_said_that_nobody_knows(
    site: Site, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _evaluate(site, model) == ExitCode.OK
    told = capsys.readouterr()
    assert len(json.loads(told.out)["cases"]) == 9
    assert "nothing here tells with which cases the model was trained" in told.err
    assert "--work" in told.err


@pytest.mark.parametrize("work", ["empty", "data.csv"])
def test_a_folder_without_a_record_of_the_study_is_refused(
    site: Site, model: Path, work: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (site.folder / "empty").mkdir()
    assert _evaluate(site, model, "--work", str(site.folder / work)) == ExitCode.BAD_INPUT
    assert "holds no record of training this model's study" in capsys.readouterr().out


def test_who_was_trained_with_stays_in_the_record_and_a_damaged_one_is_made_again(site: Site) -> None:
    (path,) = (site.settings.work / "learned").iterdir()
    before = path.read_bytes()
    assert b"case_" not in before
    assert path.stat().st_mode & 0o077 == 0
    opened(site).pin()
    assert path.read_bytes() == before
    path.write_bytes(before[:-9])
    opened(site).pin()
    assert path.read_bytes() == before
    lines = site.settings.manifest.read_text().splitlines()
    add_row(site)
    site.settings.manifest.write_text(
        "\n".join(line for line in site.settings.manifest.read_text().splitlines() if not line.startswith("case_000"))
    )
    allow_changes(site)
    opened(site).pin()
    site.settings.manifest.write_text("\n".join(lines))
    grown = json.loads(path.read_bytes()[65:])
    old = json.loads(before[65:])
    assert old["names"].items() <= grown["names"].items()
    assert old["images"].items() <= grown["images"].items()
