"""Fit a study's preprocessing to the training cases of one split, as they lie in the store before the fitted steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from wardround.engine.basics.canonical import canonical_json, canonical_model, sha256_hex
from wardround.engine.basics.files import DamagedError, read_checked, write_checked
from wardround.engine.basics.progress import Progress, progress
from wardround.engine.cohort import Case
from wardround.engine.imaging.image import Image
from wardround.engine.preprocessing import Pipeline, Sample
from wardround.engine.preprocessing.cases import naming
from wardround.engine.preprocessing.fitted import FittedState
from wardround.engine.preprocessing.fitting import Fitting, before_fitting, fitted_places, merged, summarise_case
from wardround.engine.preprocessing.requests import CohortSummary, Request
from wardround.engine.preprocessing.tables import told_numbers
from wardround.engine.store import CaseStore
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study

StoredRow = tuple[Case, StoredCase]
"""A case, and what the store holds of it: as it is before the first fitted step."""


def fit_state(study: Study, rows: Sequence[StoredRow], store: Path, fitting: Fitting | None = None) -> FittedState:
    """What the study's fitted steps learn from these training cases, and from nothing else.

    Answers to the same requests by the same cases are kept in the folder `store`, so that no repeated run and none that
    was killed asks again. Raises `InputError` where the cases give nothing to fit to.
    """
    fitting, answers = fitting or Fitting(study), list[CohortSummary]()
    outcome = fitting.next_request(answers)
    while isinstance(outcome, Request):
        with progress(f"Fitting {named_step(study, outcome)}", len(rows)) as shown:
            answers.append(summarise(study, outcome, rows, store, shown))
        outcome = fitting.next_request(answers)
    return outcome


def summarise(study: Study, request: Request, rows: Sequence[StoredRow], store: Path, shown: Progress) -> CohortSummary:
    """The answer of these cases together to one request; the cases are read one after the other.

    Raises `InputError` that names a case that cannot answer.
    """
    pipeline = Pipeline(study, request.state)
    path = _place_of(store, pipeline, request, rows)
    known = _kept(path, request)
    if known is None:
        known = merged(request, _answers(pipeline, request, rows, shown))
        write_checked(path, canonical_model(known))
    return known


def _answers(
    pipeline: Pipeline, request: Request, rows: Sequence[StoredRow], shown: Progress
) -> Iterator[CohortSummary]:
    answer = partial(_of_voxels if request.place is not None else _of_numbers, pipeline, request)
    for done, (case, stored) in enumerate(rows, start=1):
        with naming(case):
            yield answer(stored)
        shown.advance(done, case.subject)


def _of_numbers(pipeline: Pipeline, request: Request, stored: StoredCase) -> CohortSummary:
    """Nothing of the image is read; of images that are to be made, all voxels."""
    if request.about == "columns":
        return request.answer(told_numbers(pipeline.study, stored.columns))
    if request.about == "targets":
        return request.answer([] if stored.wanted_image is None else [*stored.wanted_image])
    return request.answer([np.array([number], dtype=np.float64) for number in stored.numbers])


def _of_voxels(pipeline: Pipeline, request: Request, stored: StoredCase) -> CohortSummary:
    first, place = fitted_places(pipeline.study)[0], request.place or 0
    sample = Sample(Image(stored.image, stored.geometry), stored.label, wanted=stored.wanted_image)
    return summarise_case(request, pipeline.apply_between(first, place, [sample]), pipeline.study.ignored_class)


def _place_of(store: Path, pipeline: Pipeline, request: Request, rows: Sequence[StoredRow]) -> Path:
    """Named by all that an answer follows from: what is asked, the cases as they are stored, the steps in between."""
    cases = sorted(stored.folder.name for _, stored in rows)
    key = sha256_hex(canonical_json([request.digest, pipeline.signature, *cases]))
    return store / "summaries" / key[:2] / f"{key}.json"


def _kept(path: Path, request: Request) -> CohortSummary | None:
    """An answer that was kept; None where there is none, or where it is damaged and has to be found again."""
    try:
        found = CohortSummary.model_validate_json(read_checked(path))
        request.check(found)
    except (FileNotFoundError, DamagedError, ValidationError, ValueError):
        return None
    return found


def prepared_for_a_look(study: Study, cases: Sequence[Case], store: CaseStore) -> tuple[StoredCase, ...]:
    """A few cases in the store as the study makes them. Where steps are fitted, they learn from these few alone."""
    unfitted = store.open_cases(before_fitting(study), cases)
    state = fit_state(study, [*zip(cases, unfitted, strict=True)], store.root, Fitting.of_steps(study))
    return store.open_cases(study, cases, state=state) if state.steps else unfitted


def named_step(study: Study, request: Request) -> str:
    """What a request is about, for people."""
    words = {"truth": "the scale of numbers", "targets": "the scale of targets", "columns": "the scale of columns"}
    return words[request.about] if request.place is None else study.preprocessing[request.place].name
