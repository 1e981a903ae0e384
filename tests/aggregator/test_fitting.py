"""What a federation file names is held against it in the same pass as wrong values; an unfit model is one problem."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.aggregator.home import aggregator, make_home, rewrite
from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, write_study
from wardround.aggregator.coordination import load_coordination
from wardround.engine.basics.problems import InputError, Problem
from wardround.federation.model_group import initial_arrays

_BY_SEED = "or leave `initial` out to begin from the study's seed"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return make_home(tmp_path / "fed", 9443)


def _problems(config: Path) -> list[Problem]:
    with pytest.raises(InputError) as caught:
        load_coordination(config)
    return list(caught.value.problems)


def _keys(config: Path) -> list[str]:
    return [problem.where.rpartition(", ")[2] for problem in _problems(config)]


def _begin_with(config: Path, named: str) -> None:
    rewrite(config, "# initial: model ", f"initial: {named} #")


def _arrays(config: Path) -> dict[str, np.ndarray]:
    return {
        name.removeprefix("model/"): array for name, array in initial_arrays(load_coordination(config).study).items()
    }


def _save(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(arrays, folder / "model.safetensors")
    return folder


def test_what_does_not_fit_is_told_beside_wrong_values_each_key_by_itself(config: Path) -> None:
    (config.parent / "model.pt").write_text("weights")
    _begin_with(config, "model.pt")
    rewrite(config, "fold: 0 ", "fold: 7 ")
    rewrite(config, "quorum: all", "quorum: 60%")
    rewrite(config, "deadline: forever", "deadline: soon")
    rewrite(config, "{final: true}", "{final: perhaps, metrics: [3, auc]}")
    assert sorted(_keys(config)) == [
        "deadline",
        "evaluation.final",
        "evaluation.metrics.0",
        "evaluation.metrics.1",
        "fold",
        "initial",
        "quorum",
    ]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("horizon: {rounds: 3, local_steps: 7}", "horizon: {rounds: 3}", "horizon.local_steps"),
        ("horizon: {rounds: 3, local_steps: 7}", "horizon: 3", "horizon"),
        ("schema: 1", "schema: 7", "schema"),
        ("federation: brains", "federation: Brains!", "federation"),
        ('address: "127.0.0.1:9443"', "address: here", "address"),
        ("strategy: fedavg", "strategy: fedavgg", "strategy"),
        ("below_quorum: wait", "unknown_key: wait", "unknown_key"),
    ],
    ids=["a missing part", "no section", "schema", "name", "address", "strategy", "unknown"],
)
def test_fold_and_quorum_are_told_whatever_else_is_wrong(config: Path, old: str, new: str, key: str) -> None:
    text = config.read_text().replace('"brains"', "brains")
    assert old in text
    text = text.replace(old, new).replace("fold: 0 ", "fold: 7 ").replace("quorum: all", "quorum: 5")
    config.write_text(text)
    assert sorted(_keys(config)) == sorted(["fold", "quorum", key])


def test_nobody_misses_a_roster_in_a_folder_that_the_file_does_not_name(config: Path) -> None:
    (config.parent / "roster.json").rename(config.parent / "sites.json")
    rewrite(config, "roster: roster.json", "rooster: sites.json")
    assert _keys(config) == ["folders.rooster"]


def test_files_of_folders_that_are_named_rightly_are_found_beside_wrong_values(config: Path) -> None:
    (config.parent / "roster.json").rename(config.parent / "sites.json")
    rewrite(config, "roster: roster.json", "roster: sites.json")
    rewrite(config, "deadline: forever", "deadline: soon")
    assert _keys(config) == ["deadline"]


def test_a_model_of_another_study_is_one_problem(config: Path) -> None:
    write_study(_save(config.parent / "other", {"a": np.zeros(3, np.float32)}) / "study.yaml", CLASSIFICATION)
    _begin_with(config, "other")
    (problem,) = _problems(config)
    assert problem.render().endswith(
        "initial: this model was trained for study pictures (classification); this is blobs (segmentation). "
        f"Name another, {_BY_SEED}."
    )


def test_a_model_of_another_network_is_one_problem_that_counts(config: Path) -> None:
    arrays = _arrays(config)
    first, second, *_ = arrays
    count = len(arrays)
    del arrays[first]
    arrays[second] = np.zeros((9, 9), np.float32)
    arrays["surplus"] = np.zeros(1, np.float32)
    _save(config.parent / "other", arrays)
    _begin_with(config, "other")
    (problem,) = _problems(config)
    assert problem.what == "these weights are not of this study's network"
    assert f"{count} tensors: 1 that the network does not have, 1 of another form; without 1 of the" in problem.got
    assert f"such as {second}: float32 9x9, not" in problem.got


def test_a_model_of_the_same_study_with_another_network_names_what_differs(config: Path) -> None:
    other = changed(SEGMENTATION, model={"name": "unet", "dimensions": 3, "filters": 6, "levels": 3})
    write_study(_save(config.parent / "other", {"a": np.zeros(3, np.float32)}) / "study.yaml", other)
    _begin_with(config, "other")
    (problem,) = _problems(config)
    assert problem.what == "this model has another network than the study"
    assert problem.got.startswith("model: {name: unet, filters: 6}, 1 tensor: 1 that the network does not have")
    assert problem.expected == "model: {name: unet, filters: 4}"


def test_weights_that_are_not_finite_are_one_problem(config: Path) -> None:
    spoilt = {name: np.full_like(array, np.nan) for name, array in _arrays(config).items()}
    _save(config.parent / "other", spoilt)
    _begin_with(config, "other")
    (problem,) = _problems(config)
    assert problem.what == "the initial model has values that are not finite"


def _bfloat(path: Path) -> None:
    header = json.dumps({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(2))


@pytest.mark.parametrize(
    ("name", "content", "what", "got"),
    [
        ("model.pt", b"PK\x03\x04...", "model.pt is no model folder of Wardround", "PyTorch"),
        ("notes.txt", b"some words", "notes.txt is no model folder of Wardround", "a text"),
        ("given", None, "given is no model folder of Wardround", "an empty folder"),
        ("absent", b"", "there is no model 'absent'", "nothing at"),
        ("cut.safetensors", b"\x10\x00", "cut.safetensors is cut short or damaged", "end is missing"),
        ("half.safetensors", b"half", "half.safetensors is no model folder of Wardround", "BF16"),
    ],
    ids=["torch", "text", "folder", "absent", "cut", "bfloat"],
)
def test_what_is_no_model_is_called_what_it_is(
    config: Path, name: str, content: bytes | None, what: str, got: str
) -> None:
    path = config.parent / name
    if content is None:
        path.mkdir()
    elif content == b"half":
        _bfloat(path)
    elif content:
        path.write_bytes(content)
    _begin_with(config, name)
    (problem,) = _problems(config)
    assert (problem.what, got in problem.got) == (what, True)
    assert problem.remedy.endswith(_BY_SEED)


def test_a_run_in_the_place_of_its_model_leads_to_the_model(config: Path) -> None:
    write_study(_save(config.parent / "run" / "fold-0" / "model", {}) / "study.yaml", SEGMENTATION)
    _begin_with(config, "run")
    outcome = aggregator("check", "--config", config)
    assert outcome.code == 2
    assert f"Name {config.parent / 'run' / 'fold-0' / 'model'}" in outcome.err


def test_a_file_is_called_no_model_even_where_the_study_cannot_be_read(config: Path) -> None:
    (config.parent / "model.pt").write_text("weights")
    _begin_with(config, "model.pt")
    rewrite(config, "study.yaml", "absent.yaml")
    assert sorted(_keys(config)) == ["initial", "study"]


def test_a_port_that_sites_do_not_call_is_noted(config: Path) -> None:
    assert load_coordination(config).notes == ()
    rewrite(config, '"[::]:9443"', '"[::]:9444"')
    (note,) = load_coordination(config).notes
    assert "sites call port 9443, as `address` says, and this aggregator listens at 9444" in note
    rewrite(config, '"[::]:9444"', '"127.0.0.1:9443"')
    assert load_coordination(config).notes == ()
