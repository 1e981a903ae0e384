"""Studies: canonical form and digest, defaults, and errors with the place and the closest word."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of, write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.study import load_study, study_from_bytes, study_to_bytes
from wardround.engine.study.documents import Document, validate_document
from wardround.engine.study.models import Study

TEXT = """\
schema: 1
study: hippocampus
task: segmentation
inputs: [T1w]
classes: {anterior: 1, posterior: 2}
preprocessing:
  - orient: RAS
  - resample: {spacing: [1, 1, 1]}
patches: {size: [32, 40, 32]}
model: {name: unet, dimensions: 3, filters: 16}
training: {loss: dice_ce, optimizer: {name: adamw, learning_rate: 1e-3}}
validation: {metrics: [dice, {nsd: {tolerance: 2}}], select: dice}
"""


def load(tmp_path: Path, text: str) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return load_study(path)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    return [problem.render() for problem in caught.value.problems]


def test_the_digest_is_that_of_the_canonical_form(tmp_path: Path) -> None:
    study = load(tmp_path, TEXT)
    again = study_from_bytes(study_to_bytes(study))
    assert again == study
    assert again.digest == study.digest
    assert len(study.digest) == 64


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema: 1\nstudy: hippocampus\n", "study: hippocampus\n\n# a comment\nschema: 1  # another\n"),
        ("orient: RAS", "orient: {axes: RAS}"),
        ("- orient: RAS", "- {name: orient, axes: RAS}"),
        ("- orient: RAS", "- name: orient\n    parameters: {axes: RAS}"),
        ("orient: RAS", "orient"),
        ("[1, 1, 1]", "[1.0, 1.0, 1.0]"),
        ("{spacing: [1, 1, 1]}", "[1, 1, 1]"),
        ("filters: 16}", "filters: 16, levels: 4, norm: instance, dropout: 0}"),
        ("1e-3}", "0.001}"),
        ("optimizer: {name: adamw, learning_rate: 1e-3}", "optimizer: adamw, schedule: {cosine: {warmup: 0}}"),
        ("{nsd: {tolerance: 2}}", "{nsd: 2.0}"),
        ("select: dice}\n", "select: dice}\nseed: 42\ninference: {overlap: 0.5}\nmodality: radiology\n"),
        ("anterior: 1, posterior: 2", "posterior: 2, anterior: 1"),
    ],
)
def test_spelling_plays_no_part_in_the_digest(tmp_path: Path, old: str, new: str) -> None:
    assert old in TEXT
    assert load(tmp_path, TEXT.replace(old, new)).digest == load(tmp_path, TEXT).digest


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
    else:
        for key, item in items:
            yield from _leaves(item, (*path, key))


def _replaced(content: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    copied: Any = copy.deepcopy(content)
    parent = copied
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    return dict(copied)


@pytest.mark.parametrize("base", [SEGMENTATION, CLASSIFICATION], ids=["segmentation", "classification"])
def test_every_value_of_the_canonical_form_is_in_the_digest(base: dict[str, Any]) -> None:
    content = json.loads(study_to_bytes(study_of(base)))
    digests, tried = {study_of(base).digest}, 0
    for path, value in _leaves(content):
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        for candidate in (value + 1, value + 8, value + 0.01, value / 2):
            try:
                other = study_of(_replaced(content, path, candidate))
            except ValueError:
                continue
            digests.add(other.digest)
            tried += 1
            break
    assert tried > 15
    assert len(digests) == tried + 1


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b"\xff", b'{"schema":2}', b"[" * 100_000],
    ids=["nothing", "object", "list", "null", "bytes", "schema", "deep"],
)
def test_bytes_that_are_no_study_are_refused(content: bytes) -> None:
    with pytest.raises(InputError, match="not a study in canonical form"):
        study_from_bytes(content)


def test_a_study_that_asks_for_what_is_not_installed_is_told_in_full() -> None:
    content = json.loads(study_to_bytes(study_of(SEGMENTATION)))
    content["model"] = {"name": "unett", "parameters": content["model"]["parameters"]}
    content["augmentation"] = [{"name": "sharpen", "parameters": {}}]
    content["training"]["batch_size"] = 0
    with pytest.raises(InputError) as caught:
        study_from_bytes(json.dumps(content).encode())
    said = [problem.render() for problem in caught.value.problems]
    assert len(said) == 3
    assert any("study, model" in line and "'unett'" in line and "Did you mean 'unet'" in line for line in said)
    assert any("study, augmentation.0" in line and "'sharpen'" in line for line in said)
    assert any("study, training.batch_size" in line for line in said)


@pytest.mark.parametrize("depth", [50, 600, 100_000])
def test_values_nested_deeply_are_refused(depth: int) -> None:
    content = study_to_bytes(study_of(SEGMENTATION))
    with pytest.raises(InputError):
        study_from_bytes(content.replace(b'"seed":42', b'"seed":' + b"[" * depth + b"]" * depth))


def test_only_canonical_bytes_are_a_study() -> None:
    content = study_to_bytes(study_of(SEGMENTATION))
    pretty = json.dumps(json.loads(content), indent=1).encode()
    shorter = json.dumps({**json.loads(content), "seed": 42.0}, sort_keys=True, separators=(",", ":")).encode()
    twice = content.replace(b'"seed":42', b'"seed":41,"seed":42')
    for other in (pretty, shorter, twice):
        with pytest.raises(InputError):
            study_from_bytes(other)


def test_every_problem_of_a_file_comes_at_once(tmp_path: Path) -> None:
    text = (
        TEXT.replace("orient: RAS", "orientt: RAS")
        .replace("{spacing: [1, 1, 1]}", "{spcing: [1, 1, 1]}")
        .replace("filters: 16", "filers: 16, levels: many")
        .replace("loss: dice_ce", "loss: dice_cee, epochs: true")
        .replace("select: dice", "select: dicee")
        .replace("inputs: [T1w]", "inputs: [T1w, T1w]")
    )
    found = "\n".join(problems(tmp_path, text))
    for expected in (
        "study.yaml:4, inputs: two inputs have the same name (got [T1w, T1w]; expected a name of its own for each",
        "study.yaml:7, preprocessing.0: unknown preprocessing 'orientt' (got `orientt`; expected one of adaptive_",
        "Did you mean 'orient'?",
        "study.yaml:8, preprocessing.1.resample.spacing: a required key is missing (got no `spacing`; expected a list",
        "study.yaml:8, preprocessing.1.resample.spcing: unknown key 'spcing'",
        "Did you mean 'spacing'?",
        "study.yaml:10, model.levels: this value cannot be used (got 'many'; expected a whole number from 2 to 9).",
        "study.yaml:10, model.filers: unknown key 'filers'",
        "Did you mean 'filters'",
        "study.yaml:11, training.loss: unknown loss 'dice_cee'",
        "Did you mean 'dice_ce'",
        "study.yaml:11, training.epochs: this value cannot be used (got true; expected a whole number from 1 to",
        "study.yaml:12, validation.select: 'dicee' is not one of the study's metrics",
        "Did you mean 'dice'?",
    ):
        assert expected in found
    assert len(found.splitlines()) == 9


def test_an_unknown_key_does_not_hide_what_does_not_fit_together(tmp_path: Path) -> None:
    text = TEXT.replace("size: [32, 40, 32]", "size: [33, 40], per_cas: 2")
    assert problems(tmp_path, text) == [
        "study.yaml:9, patches.per_cas: unknown key 'per_cas' (got `per_cas`; expected a key that is known here). "
        "Did you mean 'per_case'?",
        "study.yaml:9, patches.size: the number of axes does not fit "
        "(got [33, 40]; expected 3, as the model has 3 dimensions). "
        "Write one number per axis, such as [33, 40, 40], or change `dimensions` in `model`.",
        "study.yaml:9, patches.size: the network cannot divide this patch evenly "
        "(got [33, 40]; expected multiples of 8, such as [40, 40]). "
        "Write for example `size: [40, 40]`, or fewer `levels` in `model`.",
    ]


@pytest.mark.parametrize(
    ("old", "new", "where", "words"),
    [
        ("anterior: 1", "anterior: 0", ":5, classes.anterior", "0 is the background"),
        ("anterior: 1", "anterior: 2", ":5, classes", "two classes have the same value"),
        ("anterior: 1", "anterior: -1", ":5, classes.anterior", "a whole number from 0 to 65,535"),
        ("[1, 1, 1]", "[1, 1]", ":8, preprocessing.1.resample", "expected 3, as the model has 3 dimensions"),
        ("loss: dice_ce", "loss: {name: cross_entropy, class_weights: [1]}", ":11, training.loss.class_weights", "3,"),
        (
            "loss: dice_ce",
            "loss: {name: cross_entropy, class_weights: [0, 0, 0]}",
            ":11, training.loss.class_weights",
            "a weight above 0",
        ),
        (
            "metrics: [dice,",
            "metrics: [dice, auc,",
            ":12, validation.metrics.1",
            "serves classification, multilabel only",
        ),
        ("metrics: [dice,", "metrics: [dice, dice,", ":12, validation.metrics.1", "stands twice"),
        ("name: unet,", "name: resnet,", ":10, model.filters", "x"),
        ("study: hipp", "study: Hipp", ":2, study", "Write for example `study: hippocampus`"),
        ("orient: RAS", "orient: RASX", ":7, preprocessing.0.orient", "expected three of the letters"),
        ("schema: 1", "schema: 2", ":1, schema", "expected 1"),
        ("1e-3", "1e3", ":11, training.optimizer.learning_rate", "above 0 and of at most 10"),
        ("{spacing: [1, 1, 1]}", "{spacing: [1, 1, -1]}", ":8, preprocessing.1.resample.spacing.2", "a number above 0"),
        ("orient: RAS", "orient: RAL", ":7, preprocessing.0.orient", "one letter each of R/L"),
        ("orient: RAS", "orient: {}\n    x: 1", ":7, preprocessing.0", "this does not name a part"),
        ("loss: dice_ce", "loss: {dice_ce: 3}", ":11, training.loss.dice_ce", "these are no parameters"),
        ("loss: dice_ce", "loss: 3", ":11, training.loss", "this does not name a part"),
        ("loss: dice_ce", "loss: '{what} {0}'", ":11, training.loss", "unknown loss '{what} {0}'"),
    ],
)
def test_a_problem_is_told_where_it_is(tmp_path: Path, old: str, new: str, where: str, words: str) -> None:
    assert old in TEXT
    if new == "name: resnet,":
        where, words = ":10, model", "unknown key 'filers'"
        old, new = "name: unet, dimensions: 3, filters", "name: resnet, dimensions: 3, filers"
    found = problems(tmp_path, TEXT.replace(old, new))
    assert any(problem.startswith(f"study.yaml{where}") and words in problem for problem in found), found


def test_a_flip_of_an_axis_that_a_2d_study_lacks_is_told() -> None:
    with pytest.raises(ValueError, match="there is no such axis"):
        study_of(changed(CLASSIFICATION, augmentation=[{"flip": [0, 2]}]))
    assert study_of(changed(CLASSIFICATION, augmentation=[{"flip": [0, 1]}])).augmentation


def test_a_2d_study_has_no_orientation() -> None:
    with pytest.raises(ValueError, match="no anatomical orientation"):
        study_of(changed(CLASSIFICATION, preprocessing=["orient"]))


def test_classes_are_the_channels_of_the_network_in_order_of_their_values() -> None:
    study = study_of(changed(SEGMENTATION, classes={"late": 7, "early": 3}))
    assert study.class_names == ("background", "early", "late")
    assert study.class_values == (0, 3, 7)
    pictures = study_of(changed(CLASSIFICATION, classes={"b": 5, "a": 2}))
    assert (pictures.class_names, pictures.class_values) == (("a", "b"), (2, 5))


def _named_keys(content: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(content, dict):
        for key, item in content.items():
            if path[-1:] != ("classes",):
                yield (*path, key)
            yield from _named_keys(item, (*path, key))
    elif isinstance(content, list):
        for index, item in enumerate(content):
            yield from _named_keys(item, (*path, index))


CANONICAL: dict[str, Any] = json.loads(study_to_bytes(study_of(SEGMENTATION)))
TYPABLE = [path for path in _named_keys(CANONICAL) if path[-1] not in ("name", "parameters")]


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(TYPABLE), st.data())
def test_a_key_with_one_wrong_letter_is_suggested(path: tuple[str | int, ...], data: st.DataObject) -> None:
    key = str(path[-1])
    index = data.draw(st.integers(0, len(key) - 1))
    letter = data.draw(st.sampled_from(["", "q", key[index] * 2]))
    typo = key[:index] + letter + key[index + 1 :]
    content: Any = copy.deepcopy(CANONICAL)
    parent = content
    for step in path[:-1]:
        parent = parent[step]
    parent[typo] = parent.pop(key)
    with pytest.raises(InputError) as caught:
        validate_document(Study, Document(Path("study.yaml"), content, {}), strict=True)
    unknown = [problem for problem in caught.value.problems if problem.what.startswith(f"unknown key {typo!r}")]
    assert len(unknown) == 1
    assert f"'{key}'" in unknown[0].remedy


def test_a_study_written_by_hand_and_read_is_the_same(tmp_path: Path) -> None:
    path = write_study(tmp_path / "study.yaml", SEGMENTATION)
    assert YAML(typ="safe").load(path) == SEGMENTATION
    assert load_study(path) == study_of(SEGMENTATION)


@pytest.mark.parametrize(
    ("augmentation", "axes"),
    [([], ()), (["flip"], (0, 1, 2)), ([{"flip": [2]}, {"noise": {}}, {"flip": [0]}], (0, 2)), ([{"flip": []}], ())],
)
def test_the_flipped_axes_are_those_of_all_flips(augmentation: list[object], axes: tuple[int, ...]) -> None:
    assert study_of(changed(SEGMENTATION, augmentation=augmentation)).flipped_axes == axes
