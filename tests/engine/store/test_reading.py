"""A case's files are read once: the bytes that name it are the bytes that are decoded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.images import write_classification_cohort, write_segmentation_cohort
from tests.support.studies import CLASSIFICATION, SEGMENTATION, study_of
from wardround.engine.basics.canonical import file_sha256
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Case, Truth, read_manifest
from wardround.engine.imaging import holding, read_image, read_label, write_image, write_label
from wardround.engine.imaging.sources import HeldSource, Source
from wardround.engine.store import CaseStore
from wardround.engine.store.digests import DigestIndex
from wardround.engine.store.reading import Reading
from wardround.engine.study import Study

SOLID, FLAT = study_of(SEGMENTATION), study_of(CLASSIFICATION)


def a_case(folder: Path, study: Study) -> Case:
    write = write_segmentation_cohort if study is SOLID else write_classification_cohort
    return read_manifest(write(folder, cases=4), study, truth=Truth.REQUIRED).cases[0]


def rewritten(case: Case, suffix: str) -> Case:
    """The same case in files of another format."""
    channels = []
    for path in case.channels:
        channels.append(path.with_name(f"again{suffix}"))
        image = read_image(path)
        kind = np.uint8 if suffix == ".png" else np.float32
        write_image(channels[-1], replace(image, data=image.data.astype(kind)))
    if case.label is None:
        return replace(case, channels=tuple(channels))
    label = case.label.with_name(f"again{suffix}")
    write_label(label, *read_label(case.label))
    return replace(case, channels=tuple(channels), label=label)


class Vanishing(HeldSource):
    """A file that is gone once it has been read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        path.unlink()


@pytest.mark.parametrize(
    ("study", "suffix"),
    [(SOLID, suffix) for suffix in (".nii", ".nii.gz", ".nrrd", ".mha")]
    + [(FLAT, suffix) for suffix in (".png", ".tif", ".nii.gz", ".mha")],
)
def test_a_file_may_vanish_once_it_has_been_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study: Study, suffix: str
) -> None:
    case = rewritten(a_case(tmp_path / "data", study), suffix)
    expected = CaseStore(tmp_path / "before").open_case(study, case)
    monkeypatch.setattr(holding, "HeldSource", Vanishing)
    stored = CaseStore(tmp_path / "store").open_case(study, case)
    assert not any(path.exists() for path in case.files)
    assert stored.digest == expected.digest
    assert stored.content == expected.content
    np.testing.assert_array_equal(stored.image, expected.image)
    if case.label is not None:
        np.testing.assert_array_equal(stored.label, expected.label)


def test_what_does_not_fit_into_memory_is_read_again(tmp_path: Path) -> None:
    case = a_case(tmp_path / "data", SOLID)
    index = DigestIndex(tmp_path / "digests.sqlite")
    sizes = [path.stat().st_size for path in case.files]
    with Reading(index, sizes[0]) as read:
        digest = read.digest(case)
        first, second = [read.take(path) for path in case.files]
        assert (type(first), type(second)) == (HeldSource, Source)
    with Reading(index, sum(sizes)) as read:
        assert read.digest(case) == digest


def test_a_copy_is_what_the_file_was_and_is_given_back(tmp_path: Path) -> None:
    path = a_case(tmp_path / "data", SOLID).channels[0]
    expected = read_image(path)
    source = HeldSource(path)
    assert source.digest == file_sha256(path)
    path.write_bytes(b"something else")
    image = read_image(source)
    np.testing.assert_array_equal(image.data, expected.data)
    assert image.geometry == expected.geometry
    with pytest.raises(ValueError, match="closed"):
        source.place.stat()


def test_problems_name_the_file_and_not_its_copy(tmp_path: Path) -> None:
    path = a_case(tmp_path / "data", SOLID).channels[0]
    path.write_bytes(path.read_bytes()[:2000])
    with HeldSource(path) as source, pytest.raises(InputError) as caught:
        read_image(source)
    assert str(path) in str(caught.value)
    assert "/proc" not in str(caught.value)
