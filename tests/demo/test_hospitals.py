"""The demo's hospitals: brains that differ, scanners that differ, files that the engine reads."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from wardround.demo.anatomy import Anatomy, Variation, deformed, load_average
from wardround.demo.demo import STUDY
from wardround.demo.hospitals import HOSPITALS, Cases, make_hospitals
from wardround.demo.scanners import acquire, stored, stored_geometry
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import Silent
from wardround.engine.basics.randomness import stream
from wardround.engine.cohort import Truth, read_manifest, split_cohort
from wardround.engine.imaging import Geometry, read_image, read_label
from wardround.engine.study import load_study


@pytest.fixture(scope="module")
def average() -> Anatomy:
    """The average brain at 6 mm."""
    return load_average(6)


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three hospitals with one case of each kind at 6 mm."""
    folder = tmp_path_factory.mktemp("hospitals")
    return dict(make_hospitals(folder, Cases(1, 1, 1), Silent(), spacing=6))


def test_no_variation_gives_the_average_itself(average: Anatomy) -> None:
    same = deformed(average, Variation(displacement=0.0, rotation=0.0, scale=0.0), stream(1, "brain"))
    np.testing.assert_allclose(same.intensity, average.intensity, atol=1e-5)
    np.testing.assert_array_equal(same.tissues(), average.tissues())


def test_brains_vary_smoothly_and_repeatably(average: Anatomy) -> None:
    first, again = (deformed(average, Variation(), stream(1, "brain", 0)) for _ in range(2))
    other = deformed(average, Variation(), stream(1, "brain", 1))
    np.testing.assert_array_equal(first.intensity, again.intensity)
    assert np.abs(first.intensity - other.intensity).max() > 0.2
    volumes = [np.bincount(brain.tissues().ravel(), minlength=3) for brain in (average, first, other)]
    for volume in volumes[1:]:
        assert np.all(np.abs(volume[1:] / volumes[0][1:] - 1) < 0.35)


def test_scanners_give_different_pictures_of_one_brain(average: Anatomy) -> None:
    pictures = [acquire(one.scanner, average.intensity, 6.0, stream(1, one.name)) for one in HOSPITALS]
    brain = average.intensity > 0.02
    for first, second in itertools.combinations(pictures, 2):
        assert np.corrcoef(first[brain], second[brain])[0, 1] < 0.97


def test_noise_alone_follows_a_rayleigh_distribution() -> None:
    """The magnitude of complex Gaussian noise of deviation s has the mean s sqrt(pi / 2)."""
    scanner = HOSPITALS[2].scanner
    silent = acquire(scanner, np.zeros((40, 40, 40), np.float32), 3.0, stream(1, "air"))
    expected = scanner.noise * scanner.gain * np.sqrt(np.pi / 2)
    assert silent.mean() == pytest.approx(expected, rel=0.01)


def test_flipped_storage_keeps_every_voxel_at_its_place() -> None:
    geometry = Geometry((4, 5, 6), (2.0, 3.0, 4.0), (10.0, -20.0, 30.0), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    array = np.arange(120).reshape(4, 5, 6)
    for hospital in HOSPITALS:
        there, grid = stored(hospital.scanner, array), stored_geometry(hospital.scanner, geometry)
        for index in ((0, 0, 0), (3, 4, 5), (1, 2, 3)):
            moved = np.argwhere(there == array[index])[0]
            np.testing.assert_allclose(_position(grid, moved), _position(geometry, np.array(index)))


def _position(geometry: Geometry, index: np.ndarray) -> np.ndarray:
    direction = np.array(geometry.direction).reshape(3, 3)
    return np.array(geometry.origin) + direction @ (index * np.array(geometry.spacing))


def test_the_template_lies_where_nilearn_puts_it() -> None:
    datasets = pytest.importorskip("nilearn.datasets")
    template, cut = datasets.load_mni152_template(resolution=6), load_average(6)
    index = np.array(cut.intensity.shape) // 2
    left, posterior, superior = _position(cut.geometry, index)
    voxel = np.linalg.inv(template.affine) @ [-left, -posterior, superior, 1.0]
    found = template.get_fdata()[tuple(np.rint(voxel[:3]).astype(int))]
    assert cut.intensity[tuple(index)] == pytest.approx(found, abs=1e-6)


def test_the_engine_reads_what_a_hospital_has(manifests: dict[str, Path]) -> None:
    study = load_study(STUDY)
    assert set(manifests) == {hospital.name for hospital in HOSPITALS}
    for manifest in manifests.values():
        cohort = read_manifest(manifest, study, truth=Truth.REQUIRED)
        split = split_cohort(study, cohort, 0)
        assert [len(part) for part in (split.train, split.validation, split.test)] == [1, 1, 1]
        for case in cohort.cases:
            assert case.label is not None
            label, grid = read_label(case.label)
            assert grid == read_image(case.channels[0]).geometry
            assert set(np.unique(label)) == {0, 1, 2}


def test_a_missing_template_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nilearn", None)
    with pytest.raises(InputError, match=r"pip install 'wardround\[demo\]'"):
        make_hospitals(tmp_path / "hospitals", Cases(), Silent())
    assert not (tmp_path / "hospitals").exists()


def test_subjects_are_unique_across_hospitals(manifests: dict[str, Path]) -> None:
    subjects = [line.split(",")[0] for path in manifests.values() for line in path.read_text().splitlines()[1:]]
    assert len(subjects) == len(set(subjects)) == 9
