"""A case on its way from its files into the store: its keys, its voxels, and its voxels preprocessed."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from wardround.engine.basics.canonical import canonical_json, sha256_hex
from wardround.engine.basics.dicom import REFUSING
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Case, case_digest, twins
from wardround.engine.preprocessing import Pipeline, Sample, read_sample, told_of
from wardround.engine.preprocessing.cases import count_broken, naming
from wardround.engine.store.case import StoredCase
from wardround.engine.store.entries import FORMAT, Content
from wardround.engine.store.reading import Reading
from wardround.engine.study import Study
from wardround.engine.targets import target_of


def storage_key(pipeline: Pipeline, digest: str) -> str:
    """SHA-256 over all that determines a stored case: source bytes, preprocessing, fitted state, class map, layout."""
    study = pipeline.study
    content: dict[str, JsonValue] = {
        "format": FORMAT,
        "source": digest,
        "preprocessing": pipeline.signature,
        "task": study.task,
        "channels": len(study.inputs),
        "classes": _class_map(study),
    }
    again: list[JsonValue] = [*target_of(study).made_of_inputs(study)]
    return sha256_hex(canonical_json({**content, **({"again": again} if again else {}), **_dicom(study)}))


def _class_map(study: Study) -> list[JsonValue]:
    """All that determines which class a mask's values are; a class of one value is that number, as it always was."""
    values = study.values_by_class.values()
    classes: list[JsonValue] = [each[0] if len(each) == 1 else [*each] for each in values]
    ignored: list[JsonValue] = [] if study.ignore is None else [{"ignore": [*study.ignored_values]}]
    return [*classes, *ignored, *([] if study.rest == "error" else [study.rest])]


def content_key(study: Study, digest: str) -> str:
    """Under which the decoded content of a case is noted: masks of other classes are read in another way, and inputs
    that are made again are others."""
    again: list[JsonValue] = [*target_of(study).made_of_inputs(study)]
    others: list[JsonValue] = [*([again] if again else []), *([_dicom(study)] if _dicom(study) else [])]
    return sha256_hex(canonical_json([digest, study.task, *_class_map(study), *others]))


def _dicom(study: Study) -> dict[str, JsonValue]:
    """The study's word on DICOM series, which determines the voxels of some; nothing where it says none, as ever."""
    return {} if study.dicom == REFUSING else {"dicom": study.dicom.model_dump(mode="json")}


def content_of(case: Case, sample: Sample) -> twins.Content:
    """Digests of the voxels as they were decoded, and of the mask, the images that are to be made, or the value."""
    truths = [each for each in (sample.label, sample.wanted) if each is not None]
    truth = twins.voxels_digest(truths) if truths else twins.said_by(case)
    return twins.Content(twins.voxels_digest(sample.image.data), truth)


def prepare(pipeline: Pipeline, case: Case, digest: str, reading: Reading) -> tuple[Content, twins.Content]:
    """What is to be stored of a case, and digests of what its files hold. Raises `InputError` that names the case."""
    study = pipeline.study
    samples = [sample_of(study, case, reading)]
    native, decoded = samples[0].image.geometry, content_of(case, samples[0])
    with naming(case):
        processed = pipeline.apply(samples.pop())
    broken = count_broken(processed.image.data) + (0 if processed.wanted is None else count_broken(processed.wanted))
    if broken:
        raise InputError.one("preprocessing gave values that are not numbers", where=case.name, got=f"{broken:,}")
    told = told_of(study, case)
    return Content(study.study, digest, processed, native, told, case.columns, study.ignored_class), decoded


def of_table(pipeline: Pipeline, case: Case) -> StoredCase:
    """A case without images, of which nothing has to be stored: all of it is in its row."""
    digest, told = case_digest(case), told_of(pipeline.study, case)
    empty = read_sample(pipeline.study, case).image
    return StoredCase(
        digest=digest,
        image=empty.data,
        label=None,
        foreground={},
        geometry=empty.geometry,
        native=empty.geometry,
        target=told.category,
        folder=Path(storage_key(pipeline, digest)),
        numbers=told.numbers,
        columns=case.columns,
        content=twins.row_content(case),
    )


def sample_of(study: Study, case: Case, reading: Reading) -> Sample:
    """The case as it is in its files. Raises `InputError` that names the case."""
    return read_sample(study, case, reading.take)
