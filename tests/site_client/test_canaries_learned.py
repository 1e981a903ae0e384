"""Names, paths and numbers of a table are planted where a site answers a survey and a strategy: nothing tells them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from tests.site_client import support
from tests.site_client.planted import CASES, WORDS, Canaries, Wire, cohort_of, working, write_patients
from tests.site_client.support import Site, build_site, courier_of
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.problems import InputError
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.imaging import Image, write_image
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.preprocessing.fitted import FittedState
from wardround.engine.preprocessing.fitting import Fitting
from wardround.engine.preprocessing.requests import CohortSummary, Request
from wardround.federation.envelope import Envelope
from wardround.federation.model_group import initial_arrays
from wardround.federation.payload import pack, unpack
from wardround.federation.protocol import (
    Done,
    RefusalCode,
    Refused,
    Stage,
    Task,
    task_key,
)
from wardround.site_client.events import Role

FITTED = support.STUDY.replace("[{z_normalize: {within: nonzero}}]", "[cohort_clip, cohort_normalize]")
PLAIN_SGD = support.STUDY.replace("{name: adamw, learning_rate: 1e-2}", "{name: sgd, learning_rate: 1e-2}")
REGRESSION = """
schema: 1
study: ages
task: regression
inputs: [grey]
preprocessing: [rescale]
patches: {size: [16, 16]}
model: {name: resnet, dimensions: 2, depth: 10, filters: 4, stem: small}
training: {loss: mse, optimizer: {name: adamw, learning_rate: 1e-3}, batch_size: 2, epochs: 1}
validation: {outer_folds: 3, inner_folds: 3, metrics: [mae, pearson], select: mae}
"""
AGES = tuple(4711.0625 + 137.03125 * number for number in range(CASES))
"""Numbers of a table that no other number of a run is."""


def write_ages(site: Site, canaries: Canaries) -> None:
    """Pictures and a table with canaries in every cell, and an age that tells each patient apart."""
    folder, random = site.folder / canaries.folder, np.random.default_rng(0)
    with (site.folder / "data.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("SubjectID", "PatientID", "Ward", "Channel_0", "ValueToPredict"))
        for number, age in enumerate(AGES):
            name, pixels = f"{canaries.file}_{number}.png", random.integers(0, 255, (1, 16, 16), np.uint8)
            write_image(folder / name, Image(pixels, plain_geometry((16, 16))))
            who = (f"{canaries.subject}-{number}", f"{canaries.patient}-{number}", canaries.ward)
            table.writerow((*who, f"{canaries.folder}/{name}", repr(age)))


@pytest.mark.parametrize("study", [FITTED, REGRESSION], ids=["fitted steps", "regression"])
@settings(max_examples=2)
@given(words=WORDS)
def test_answers_of_a_survey_and_the_round_after_it_hold_sums_alone(
    tmp_path_factory: pytest.TempPathFactory, study: str, words: list[str]
) -> None:
    canaries = Canaries(*words)
    site = build_site(tmp_path_factory.mktemp("site"), study=study)
    allow_regression(site)
    (write_ages if study == REGRESSION else write_patients)(site, canaries)
    with working(site) as wire:
        cohort = cohort_of(site, wire)
        answers, state = _surveyed(site, wire, cohort)
        base = pack(initial_arrays(site.agreement.study))
        task = site.task(Stage.TRAIN, 1, base, cohort).model_copy(update={"fitted": state})
        reply = wire.ask(task.model_copy(update={"work_key": task_key(task, cohort)}), base)
    assert isinstance(reply, Done)
    assert reply.update is not None
    assert {name.split(".")[0] for name in reply.metrics} >= {"loss", site.agreement.study.validation.select}
    assert wire.told(canaries) == []
    assert all(answer.least_count == answer.cases > 2 for answer in answers), "of all training cases together"
    assert ages_told(wire) == []
    assert answers


def test_numbers_of_a_table_are_found_where_they_are_sent(tmp_path: Path) -> None:
    site = build_site(tmp_path / "site")
    wire = Wire(site, courier_of(site))
    for form in (repr(AGES[3]).encode(), np.float32(AGES[3]).tobytes(), np.float64(AGES[3]).tobytes()):
        wire.sent = [Envelope(body=b"{}", signature=b"", payload=b"weights " + form)]
        assert ages_told(wire) == [AGES[3]]


def ages_told(wire: Wire) -> list[float]:
    """The numbers of the table that are in anything that was sealed: as text, or as a number of either size."""
    whole = b"\n".join(part for each in wire.sent for part in (each.body, bytes(each.payload)))
    forms = {age: (repr(age).encode(), np.float32(age).tobytes(), np.float64(age).tobytes()) for age in AGES}
    return [age for age, each in forms.items() if any(form in whole for form in each)]


@pytest.mark.parametrize("kind", [ValueError, InputError], ids=lambda kind: kind.__name__)
def test_of_an_error_amid_a_survey_one_word_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """Whatever fails while cases are summarised may name a case and its file."""
    canaries = Canaries("mueller0001", "born1950", "oncology3", "archive77", "scan2211")
    told = " ".join(canaries.all)

    def raising(*_: object) -> CohortSummary:
        raise InputError.one(told, where=told, got=told, remedy=told) if kind is InputError else kind(told)

    monkeypatch.setattr(Workbench, "summarise", raising)
    site = build_site(tmp_path / "site", study=FITTED)
    write_patients(site, canaries)
    with working(site) as wire:
        cohort = cohort_of(site, wire)
        reply = wire.ask(*_question(site, cohort, Fitting(site.agreement.study).next_request(()), 1))
    assert isinstance(reply, Refused)
    assert reply.code in (RefusalCode.CASES_UNUSABLE, RefusalCode.INTERNAL)
    assert wire.told(canaries) == []
    assert all(word in site.log_text(Role.WORKER) for word in canaries.all)


@settings(max_examples=2)
@given(words=WORDS)
def test_what_scaffold_sends_beside_the_weights_names_nobody(
    tmp_path_factory: pytest.TempPathFactory, words: list[str]
) -> None:
    canaries = Canaries(*words)
    site = build_site(tmp_path_factory.mktemp("site"), study=PLAIN_SGD, strategy="scaffold")
    write_patients(site, canaries)
    with working(site) as wire:
        model = initial_arrays(site.agreement.study)
        learned = {
            name.replace("model/", "control/"): array for name, array in model.items() if array.dtype.kind == "f"
        }
        base = pack({**model, **{name: np.zeros_like(array) for name, array in learned.items()}})
        reply = wire.ask(site.task(Stage.TRAIN, 1, base, cohort_of(site, wire)), base)
    assert isinstance(reply, Done)
    sent = unpack(wire.sent[-1].payload)
    assert set(sent) == {*model, *learned}
    assert any(np.any(sent[name]) for name in learned), "its half was at work"
    assert wire.told(canaries) == []


def allow_regression(site: Site) -> None:
    """Let the site's policy list the task."""
    text = site.settings.policy.read_text()
    assert "tasks: [segmentation, classification]" in text
    site.settings.policy.write_text(text.replace("classification]", "classification, regression]"))


def _question(site: Site, cohort: str, request: Request | FittedState, number: int) -> tuple[Task, bytes]:
    """A task of a survey, and what comes with it."""
    content = canonical_model(request)
    return site.task(Stage.SURVEY, 0, content, cohort).model_copy(update={"exchange": number}), content


def _surveyed(site: Site, wire: Wire, cohort: str) -> tuple[list[CohortSummary], FittedState]:
    """The answers to all that the study asks, and what is fitted by them."""
    fitting, answers = Fitting(site.agreement.study), list[CohortSummary]()
    while isinstance(outcome := fitting.next_request(answers), Request):
        done = wire.ask(*_question(site, cohort, outcome, len(answers) + 1))
        assert isinstance(done, Done), site.log_text(Role.WORKER)
        assert done.summary is not None
        answers.append(done.summary)
    return answers, outcome
