"""A package that fails is named on the screen, in a check and amid a run; its traceback lies in a file."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import tempfile
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from tests.engine.cli.hospital import Hospital
from tests.support.commands import Outcome, run_wardround
from tests.support.failing_parts import PACKAGE
from tests.support.installing import forget
from tests.support.studies import SEGMENTATION, changed

SECTIONS: dict[str, dict[str, Any]] = {
    "step": {"preprocessing": [{"bad_step": {"how": "late"}}]},
    "transform": {
        "augmentation": [{"bad_transform": {"how": "late"}}],
        "training": {"loss": "dice_ce", "batch_size": 3},
    },
    "network": {"model": {"name": "bad_network", "how": "late"}},
    "loss": {"training": {"loss": {"bad_loss": {"how": "late"}}, "batch_size": 2}},
    "metric": {
        "validation": {
            **SEGMENTATION["validation"],
            "metrics": [{"bad_metric": {"how": "late"}}],
            "select": "bad_metric",
        }
    },
    "optimizer": {"training": {"loss": "dice_ce", "optimizer": {"bad_optimizer": {"how": "late"}}}},
    "schedule": {"training": {"loss": "dice_ce", "schedule": {"bad_schedule": {"how": "late"}}}},
}


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: None) -> Path:
    """Where tracebacks go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def _traceback(outcome: Outcome) -> str:
    """The text of the file that an error names."""
    (place,) = set(re.findall(r"The traceback is in (\S+traceback\.txt)", outcome.err))
    assert stat.S_IMODE(Path(place).parent.stat().st_mode) == 0o700
    return Path(place).read_text()


def _run(hospital: Hospital, tmp_path: Path) -> Outcome:
    words = ("--manifest", hospital.manifest, "--out", tmp_path / "run", "--steps", 7, "--device", "cpu")
    return run_wardround("fit", hospital.folder / "study.yaml", *words)


def test_a_check_names_line_key_package_and_file(hospital: Hospital) -> None:
    training = {"loss": {"bad_loss": {"how": "scalar"}}, "schedule": {"bad_schedule": {"how": "raises"}}}
    hospital.study(changed(SEGMENTATION, training=training))
    outcome = hospital.check()
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    first, second = outcome.err.split("error: ")[1:]
    assert re.match(rf"study\.yaml:\d+, training\.loss: the loss 'bad_loss', of the package {PACKAGE}, does not", first)
    assert "got torch.float32 of shape (); expected one number per sample" in first
    assert re.match(r"study\.yaml:\d+, training\.schedule: the schedule 'bad_schedule', of the package", second)
    text = _traceback(outcome)
    assert "failing_parts" in text
    assert "Traceback" in text
    assert "The traceback is in" not in first


def test_parts_and_images_are_told_in_one_go(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, training={"loss": {"bad_loss": {"how": "nan"}}}))
    hospital.image(3).write_bytes(b"no image")
    found = hospital.check().err
    assert "'bad_loss', of the package" in found
    assert "case_003.nii.gz" in found


def test_json_has_the_problem_and_no_traceback(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, training={"loss": {"bad_loss": {"how": "raises"}}}))
    (problem,) = hospital.check("--json").json["problems"]
    assert set(problem) == {"what", "where", "got", "expected", "remedy"}
    assert problem["got"] == "ValueError: trouble of the author's own"


TRIED = "each worked once, on a small case that was made for it"


def test_a_sound_check_says_that_parts_were_tried(hospital: Hospital, temporary: Path) -> None:
    hospital.study(changed(SEGMENTATION, training={"loss": {"bad_loss": {"how": "well"}}}))
    assert TRIED in hospital.check().out
    assert not list(temporary.iterdir())


def test_parts_of_our_own_are_tried_where_voxels_are_read_too(hospital: Hospital) -> None:
    assert TRIED not in hospital.check().out
    assert TRIED in hospital.check("--full").out


def test_a_check_of_our_own_parts_loads_no_torch(hospital: Hospital) -> None:
    words = ["check", str(hospital.folder / "study.yaml"), "--manifest", str(hospital.manifest)]
    script = (
        "import sys; from wardround.engine.cli.main import main; code = main(); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_fit_tries_the_parts_before_it_reads_a_voxel(hospital: Hospital, tmp_path: Path) -> None:
    hospital.study(changed(SEGMENTATION, training={"loss": {"bad_loss": {"how": "nan"}}}))
    outcome = _run(hospital, tmp_path)
    assert outcome.code == 2
    assert PACKAGE in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", sorted(SECTIONS))
def test_a_part_that_fails_amid_a_run_is_named_too(hospital: Hospital, tmp_path: Path, kind: str) -> None:
    hospital.study(changed(SEGMENTATION, **SECTIONS[kind]))
    assert hospital.check().code == 0
    outcome = _run(hospital, tmp_path)
    assert outcome.code == 2
    assert f"'bad_{kind}', of the package {PACKAGE}" in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.err.count("error: ") == 1
    if kind not in ("loss", "network"):  # these two only give something else than they must
        assert "failing_parts" in _traceback(outcome)


def test_predict_and_evaluate_name_it(hospital: Hospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validation = {**SEGMENTATION["validation"], "metrics": [{"bad_metric": {"how": "well"}}], "select": "bad_metric"}
    hospital.study(changed(SEGMENTATION, model={"name": "bad_network"}, validation=validation))
    assert _run(hospital, tmp_path).code == 0
    model, out = tmp_path / "run" / "fold-0" / "model", tmp_path / "out"
    monkeypatch.setattr("tests.support.failing_parts.Metric.scores", lambda *words: 1 / 0)
    scored = run_wardround(
        "evaluate", hospital.folder / "study.yaml", "--model", model, "--manifest", hospital.manifest, "--device", "cpu"
    )
    assert (scored.code, scored.err.count("error: ")) == (2, 1)
    assert f"the metric 'bad_metric', of the package {PACKAGE}, fails (got ZeroDivisionError" in scored.err
    monkeypatch.setattr("tests.support.failing_parts._Net.forward", lambda *words: 1 / 0)
    made = run_wardround("predict", model, "--manifest", hospital.manifest, "--out", out / "masks", "--device", "cpu")
    assert (made.code, made.err.count("error: ")) == (2, 1)
    assert f"the network 'bad_network', of the package {PACKAGE}, fails (got ZeroDivisionError" in made.err


@pytest.mark.parametrize(
    ("name", "said"),
    [("bad-command", "ValueError: trouble of"), ("gone-command", "No module named 'no_such_module'")],
)
def test_a_command_of_a_package_answers_for_itself(name: str, said: str) -> None:
    outcome = run_wardround(name)
    assert outcome.code == 2
    assert f"wardround {name}: the command {name!r}, of the package {PACKAGE}, fails (got" in outcome.err
    assert said in outcome.err
    assert "Traceback" not in outcome.err
    assert said.split(":")[-1] in _traceback(outcome)


def test_a_command_that_cannot_be_loaded_hides_no_other() -> None:
    outcome = run_wardround("--help")
    assert outcome.code == 0
    assert "check" in outcome.out
    assert "Cannot be used" in outcome.out


def test_a_disk_without_room_hides_no_fault(hospital: Hospital, temporary: Path) -> None:
    hospital.study(changed(SEGMENTATION, training={"loss": {"bad_loss": {"how": "nan"}}}))
    temporary.rmdir()
    outcome = hospital.check()
    assert PACKAGE in outcome.err
    assert "The traceback is in" not in outcome.err


def test_a_package_that_cannot_be_loaded_concerns_only_who_names_its_parts(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [EntryPoint("gone", "no_such_module:PARTS", "wardround.parts")]
    monkeypatch.setattr("wardround.engine.parts.builtin.entry_points", lambda group: gone)
    forget()
    assert hospital.check().code == 0
    listed = run_wardround("parts", "loss")
    assert (listed.code, "note: the package" not in listed.err, "no_such_module" in listed.err) == (0, True, True)
    hospital.study(changed(SEGMENTATION, training={"loss": "bad_loss"}))
    found = hospital.check().err
    assert "unknown loss" not in found, "the package may be the one that has it"
    assert "If it is not the one that has the loss 'bad_loss', correct that name" in found
    hospital.study(changed(SEGMENTATION, training={"loss": "dice_c"}))
    assert "Did you mean 'dice_ce'?" in hospital.check().err
    assert "an installed package's parts cannot be loaded" in found
    assert "No module named 'no_such_module'" in found


def test_a_name_that_two_packages_have_concerns_only_who_uses_it(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "tests.support.failing_parts:PARTS"
    both = [EntryPoint(name, rows, "wardround.parts") for name in ("one", "two")]
    monkeypatch.setattr("wardround.engine.parts.builtin.entry_points", lambda group: both)
    forget()
    assert hospital.check().code == 0
    hospital.study(changed(SEGMENTATION, training={"loss": "bad_loss"}))
    (problem,) = hospital.check().err.split("error: ")[1:]
    assert "2 parts of kind loss are called 'bad_loss'" in problem
    assert "one of the package with the entry point 'one' and one of the package with the entry point 'two'" in problem


def test_the_list_of_parts_says_whose_they_are() -> None:
    assert f"  bad_loss (of {PACKAGE}): In which way it fails." in run_wardround("parts", "loss").out
    packages = {part["name"]: part["package"] for part in run_wardround("parts", "loss", "--json").json["parts"]}
    assert (packages["bad_loss"], packages["dice_ce"]) == (PACKAGE, None)
