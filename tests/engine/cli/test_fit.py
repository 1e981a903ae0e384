"""The commands end to end: a run killed by the system goes on to the same bytes; bad input writes nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engine.experiments.cohorts import flat_cohort, flat_study, halves_cohort, halves_study, solid_cohort
from wardround.engine.basics.made import RECORD
from wardround.engine.basics.sole import sole
from wardround.engine.cli.evaluate import _mean
from wardround.engine.cli.main import app
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.experiments.casetables import Distribution, read_cases
from wardround.engine.experiments.models import write_study
from wardround.engine.report.board import _spread
from wardround.engine.study import Study

WEIGHTS = ("model.safetensors", "last.safetensors")
PROGRAM = "import sys; from wardround.engine.cli.main import main; sys.exit(main())"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    write_study(folder / "study.yaml", flat_study())
    flat_cohort(folder / "data")
    return folder


def _fit(place: Path, out: Path, *more: str) -> list[str]:
    study, manifest = str(place / "study.yaml"), str(place / "data" / "data.csv")
    return ["fit", study, "--manifest", manifest, "--out", str(out), "--threads", "1", "--device", "cpu", *more]


@pytest.fixture(scope="module")
def trained(place: Path) -> Path:
    assert run(app, _fit(place, place / "run")) == ExitCode.OK
    return place / "run" / "fold-0"


def test_the_same_command_twice_at_once_is_refused_before_a_voxel_is_read(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sole(tmp_path / "run" / "fold-0"):
        assert run(app, _fit(place, tmp_path / "run")) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    assert f"{tmp_path / 'run' / 'fold-0'}: another process works in this folder (got process {os.getpid()}" in error
    assert "Traceback" not in error
    assert not (tmp_path / "run" / "store").exists()


def _weights(fold: Path) -> list[bytes]:
    return [(fold / "model" / name).read_bytes() for name in WEIGHTS]


def _start(arguments: list[str]) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], env=environment, stderr=subprocess.PIPE)


def _kill_at(process: subprocess.Popen[bytes], path: Path, number: signal.Signals) -> tuple[int, str]:
    """Wait for a file of the run, or the run's end; then send the signal. The exit code, and what was said."""
    while process.poll() is None and not path.exists():
        time.sleep(0.002)
    process.send_signal(number)
    said = process.communicate()[1]
    return process.returncode, said.decode()


def test_a_killed_process_goes_on_to_the_same_bytes(place: Path, trained: Path, tmp_path: Path) -> None:
    fold = tmp_path / "fold-0"
    moments = ("checkpoint.safetensors", "checkpoint.safetensors.previous", "model/last.safetensors")
    for moment in moments:
        process = _start(_fit(place, tmp_path))
        _kill_at(process, fold / moment, signal.SIGKILL)
    assert run(app, _fit(place, tmp_path)) == ExitCode.OK
    assert _weights(fold) == _weights(trained)


def test_a_terminated_process_tells_how_to_go_on(place: Path, trained: Path, tmp_path: Path) -> None:
    moments = {
        "sets.json": signal.SIGTERM,
        "fold-0/run.json": signal.SIGTERM,
        "fold-0/checkpoint.safetensors": signal.SIGINT,
    }
    for name, number in moments.items():
        code, said = _kill_at(_start(_fit(place, tmp_path, "--steps", "4000")), tmp_path / name, number)
        assert code == ExitCode.INTERRUPTED, said
        assert "the same command goes on" in said
    assert (tmp_path / "fold-0" / "checkpoint.safetensors").exists()


def test_a_run_tells_what_it_made(place: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(app, _fit(place, trained.parent, "--json")) == ExitCode.OK
    told = json.loads(capsys.readouterr().out)
    assert told["splits"]["fold-0"]["metrics"]["total_steps"] == 12
    assert set(told["scores"]) >= {"dice", "dice.blob", "hd95"}
    assert "data:image/png" in (trained / "report.html").read_text()
    assert (trained / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_finished_run_is_the_same_under_other_subject_ids(place: Path, trained: Path, tmp_path: Path) -> None:
    """A run is known by its images; the page then draws no case that it cannot find, and says so."""
    copied = shutil.copytree(trained.parent, tmp_path / "run")
    table = _renamed(place / "data" / "data.csv")
    arguments = _fit(place, copied)
    arguments[arguments.index("--manifest") + 1] = str(table)
    assert run(app, arguments) == ExitCode.OK
    page = (copied / "fold-0" / "report.html").read_text()
    assert re.search("Not drawn, as the table has them under another SubjectID now: case_", page)
    assert _weights(copied / "fold-0") == _weights(trained)


def test_rows_that_changed_sets_are_told_by_the_column_that_tells_their_patient(
    place: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = shutil.copytree(trained.parent, tmp_path / "run")
    table = _renamed(place / "data" / "data.csv")
    lines = [line.rsplit(",", 1)[0] for line in table.read_text().splitlines()]
    table.write_text("\n".join(lines) + "\n")
    arguments = _fit(place, copied)
    arguments[arguments.index("--manifest") + 1] = str(table)
    assert run(app, arguments) == ExitCode.BAD_INPUT
    assert "Give the row the SubjectID that it had" in capsys.readouterr().err


def _renamed(table: Path) -> Path:
    """The same cases under other SubjectIDs, each of the patient that it was."""
    head, *rows = table.read_text().splitlines()
    lines = [f"{head},PatientID", *(f"new-{row},{row.split(',')[0]}" for row in rows)]
    renamed = table.with_name("renamed.csv")
    renamed.write_text("\n".join(lines) + "\n")
    return renamed


def test_an_estimate_comes_first(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, _fit(place, tmp_path, "--steps", "1")) == ExitCode.OK
    told = capsys.readouterr().err
    assert "9 cases: 3 to train, 3 to validate, 3 to test" in told
    assert "1 steps, 1 validations" in told
    assert "of disk" in told
    # The program's own lines are lines: an escape would show that a whole text was printed as one of them.
    assert "\\n" not in told


def test_all_folds_give_a_leaderboard(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, _fit(place, tmp_path, "--folds", "all", "--steps", "1")) == ExitCode.OK
    assert "± " in capsys.readouterr().out
    assert (tmp_path / "leaderboard.csv").exists()
    assert (tmp_path / "report.html").exists()
    assert all((tmp_path / f"fold-{number}" / "model").is_dir() for number in range(3))


def _files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize(
    "more", [("--folds", "9"), ("--folds", "some"), ("--steps", "0"), ("--device", "cuda:77"), ("--threads", "0")]
)
def test_bad_options_write_nothing(place: Path, tmp_path: Path, more: tuple[str, str]) -> None:
    assert run(app, _fit(place, tmp_path / "run", *more)) == ExitCode.BAD_INPUT
    assert _files(tmp_path) == set()


def test_a_damaged_voxel_stops_a_run_before_anything_is_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(tmp_path / "study.yaml", flat_study())
    flat_cohort(tmp_path / "data")
    for number in (2, 5):
        picture = tmp_path / "data" / "images" / f"case_00{number}.png"
        picture.write_bytes(picture.read_bytes()[:-60])
    assert run(app, _fit(tmp_path, tmp_path / "run")) == ExitCode.BAD_INPUT
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["store"]
    told = capsys.readouterr().err
    assert "case_002" in told
    assert "case_005" in told
    assert "Traceback" not in told


def test_prediction_and_evaluation_follow(place: Path, trained: Path, tmp_path: Path) -> None:
    model, images, manifest = trained / "model", place / "data" / "images", place / "data" / "data.csv"
    assert run(app, ["predict", str(model), "--folder", str(images), "--out", str(tmp_path / "a")]) == ExitCode.OK
    assert run(app, ["predict", str(model), "--manifest", str(manifest), "--out", str(tmp_path / "b")]) == ExitCode.OK
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_scores_of_a_model_and_of_its_masks_agree(
    place: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ["evaluate", str(place / "study.yaml"), "--manifest", str(place / "data" / "data.csv"), "--json"]
    predict = ["predict", str(trained / "model"), "--folder", str(place / "data" / "images")]
    assert run(app, [*predict, "--out", str(tmp_path)]) == ExitCode.OK
    capsys.readouterr()
    assert run(app, [*start, "--predictions", str(tmp_path)]) == ExitCode.OK
    masks = json.loads(capsys.readouterr().out)
    given = shutil.copytree(trained / "model", tmp_path / "given")
    assert run(app, [*start, "--model", str(given), "--out", str(tmp_path / "scores")]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == masks
    assert masks["summary"]["dice"]["count"] == 9
    assert "case_004" in (tmp_path / "scores" / "report.html").read_text()
    assert len((tmp_path / "scores" / "cases.csv").read_text().splitlines()) == 10


def test_what_a_model_has_seen_is_never_scored_as_unseen(
    place: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, model = place / "data", trained / "model"
    start = ["evaluate", str(place / "study.yaml"), "--json", "--model", str(model), "--manifest"]
    assert run(app, [*start, str(data / "data.csv")]) == ExitCode.OK
    told = capsys.readouterr()
    scored = {case["subject"] for case in json.loads(told.out)["cases"]}
    tested = {case.subject for case in read_cases(trained / "cases.csv")["test"]}
    assert scored == tested
    assert "left out 3 of 9 cases, which the model has seen in training" in told.err
    assert "left out 3 of 9 cases, which the model has seen in validation" in told.err
    header, *rows = (data / "data.csv").read_text().splitlines()
    renamed = [f"new_{row}" for row in rows if row.split(",")[0] not in tested]
    (data / "renamed.csv").write_text("\n".join([header, *renamed]))
    assert run(app, [*start, str(data / "renamed.csv")]) == ExitCode.BAD_INPUT
    assert "has seen every case of this table" in capsys.readouterr().out
    assert "case_" not in (trained / "learned.json").read_text() + (trained.parent / "sets.json").read_text()
    assert not (model / "learned.json").exists()


def test_scores_are_printed_as_a_table(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = ["evaluate", str(place / "study.yaml"), "--manifest", str(place / "data" / "data.csv")]
    assert run(app, [*start, "--predictions", str(place / "data" / "labels")]) == ExitCode.OK
    told = capsys.readouterr().out
    assert "mean dice: 1.0000 ± 0.0000 (n = 9)" in told
    assert "case_008" in told


def test_a_case_that_cannot_be_read_gives_2_and_the_rest(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat_cohort(tmp_path / "new", cases=3)
    picture = tmp_path / "new" / "images" / "case_001.png"
    picture.write_bytes(picture.read_bytes()[:-60])
    arguments = ["predict", str(trained / "model"), "--folder", str(picture.parent), "--out", str(tmp_path / "out")]
    assert run(app, arguments) == ExitCode.BAD_INPUT
    assert "case_001" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"case_000.png", "case_002.png", RECORD}


def test_volumes_for_a_model_of_pictures_are_refused_at_once(trained: Path, tmp_path: Path) -> None:
    solid_cohort(tmp_path / "solid", cases=2)
    arguments = ["predict", str(trained / "model"), "--folder", str(tmp_path / "solid" / "images")]
    assert run(app, [*arguments, "--out", str(tmp_path / "out")]) == ExitCode.BAD_INPUT
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("model", ["model", "", "model/study.yaml"])
@pytest.mark.parametrize(("images", "option"), [("images", "--folder"), ("data.csv", "--manifest")])
def test_model_and_images_that_are_exchanged_are_told_with_the_right_command(
    model: str, images: str, option: str, place: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there, out = place / "data" / images, tmp_path / "out"
    for given in ("--folder", "--manifest"):
        wrong = ["predict", str(there), given, str(trained / model), "--out", str(out)]
        assert run(app, wrong) == ExitCode.BAD_INPUT
        told = capsys.readouterr().err
        assert told.count("error: ") == 1
        right = ["predict", str(trained / "model"), option, str(there), "--out", str(out)]
        assert f"Exchange them: `wardround {shlex.join(right)}`" in told
    assert not out.exists()
    assert run(app, right) == ExitCode.OK


@pytest.mark.parametrize("more", [[], ["--manifest", "a.csv", "--folder", "b"]])
def test_predict_wants_one_source(trained: Path, tmp_path: Path, more: list[str]) -> None:
    assert run(app, ["predict", str(trained / "model"), "--out", str(tmp_path / "out"), *more]) == ExitCode.BAD_INPUT
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("study", "write"), [(flat_study(), flat_cohort), (halves_study(), halves_cohort)])
def test_a_preview_is_a_picture_and_leaves_nothing_else(study: Study, write: object, tmp_path: Path) -> None:
    assert callable(write)
    write_study(tmp_path / "study.yaml", study)
    manifest = write(tmp_path / "data")
    before = _files(tmp_path)
    arguments = ["preview", str(tmp_path / "study.yaml"), "--manifest", str(manifest), "--count", "4"]
    assert run(app, [*arguments, "--out", str(tmp_path / "patches.png")]) == ExitCode.OK
    assert _files(tmp_path) - before == {tmp_path / "patches.png"}
    assert run(app, [*arguments, "--out", str(tmp_path / "patches.svg")]) == ExitCode.BAD_INPUT


@pytest.mark.parametrize("command", ["fit", "predict", "evaluate", "preview"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, [command, "--help"]) == ExitCode.OK
    assert f"  wardround {command} " in capsys.readouterr().out


def test_a_metric_that_few_splits_define_says_how_many() -> None:
    assert _spread(Distribution(3, 0.5, 0.1, 0.5, 0.4, 0.6)) == " ± 0.1000 over 3 splits"
    assert _spread(Distribution(1, 0.5, None, 0.5, 0.5, 0.5)) == " in 1 split"


def test_one_case_has_a_mean_without_a_spread() -> None:
    assert _mean(Distribution(1, 0.5, None, 0.5, 0.5, 0.5)) == "0.5000"
    assert _mean(Distribution(2, 0.5, 0.25, 0.5, 0.25, 0.75)) == "0.5000 ± 0.2500"
