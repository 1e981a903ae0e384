"""A preview shows cases of every class, site and size, and always the same ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.engine.experiments.cohorts import flat_study
from wardround.engine.cohort import Case
from wardround.engine.cohort.origins import origins
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.report.choosing import choose_cases, choose_draws
from wardround.engine.sampling import PatchSource
from wardround.engine.store.case import StoredCase


def _case(number: int, value: str | None = None) -> Case:
    subject = f"case-{number:04d}"
    return Case(subject, subject, (Path(f"{subject}.png"),), None, value, None, number)


def test_rare_classes_and_sites_are_shown_whatever_their_place_in_the_alphabet() -> None:
    cases = [_case(number, "1" if number == 700 else "0") for number in range(1000)]
    sites = {case.subject: "small clinic" if case.row == 999 else "big hospital" for case in cases}
    chosen = choose_cases(cases, {}, sites, seed=42, most=6)
    assert {"case-0700", "case-0999"} <= {case.subject for case in chosen}
    assert len(chosen) == 6
    assert chosen == choose_cases(cases[::-1], {}, sites, seed=42, most=6)
    assert chosen != choose_cases(cases, {}, sites, seed=43, most=6)
    assert [case.row for case in chosen] != sorted(case.row for case in chosen)[:1] + list(range(1, 6))


def test_small_and_large_images_are_shown() -> None:
    cases = [_case(number) for number in range(60)]
    grids = {
        case.subject: plain_geometry((100 + (case.row == 17) * 900 - (case.row == 41) * 50, 100)) for case in cases
    }
    chosen = {case.row for case in choose_cases(cases, grids, {}, seed=1, most=4)}
    assert {17, 41} <= chosen


def test_few_cases_are_read_for_many_patches() -> None:
    cases = [_case(number, str(number % 2)) for number in range(500)]
    assert len(choose_cases(cases, {}, {}, seed=0, most=400)) == 12


@pytest.mark.parametrize("column", ["Site", "hospital_id", "Centre", "INSTITUTION"])
def test_a_column_that_names_sites_is_found_by_its_name(tmp_path: Path, column: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(f"SubjectID,Channel_0,Sex,{column}\na,a.png,F,north\nb,b.png,M,\n")
    assert origins(path) == {"a": "north"}
    path.write_text("SubjectID,Channel_0,Sex\na,a.png,F\n")
    assert origins(path) == {}


def _stored(digest: str, label: np.ndarray) -> StoredCase:
    found = {int(i): np.argwhere(label == i).astype(np.int32) for i in np.unique(label[label > 0])}
    grid = plain_geometry(label.shape)
    image = np.zeros((1, *label.shape), np.float32)
    return StoredCase(digest * 64, image, label, found, grid, grid, None, Path())


def test_patches_are_drawn_of_every_class() -> None:
    labels = np.zeros((200, 200), np.uint8)
    labels[:100] = 1
    labels[180:183, 180:183] = 2
    study = flat_study(classes={"common": 1, "rare": 2}, training={"loss": "dice_ce", "batch_size": 1, "steps": 1})
    source = PatchSource(study, [_stored("a", labels), _stored("b", np.ones((200, 200), np.uint8))])
    keys = choose_draws(source, [_stored("a", labels), _stored("b", np.ones((200, 200), np.uint8))], 4)
    assert any(2 in source.classes(key) for key in keys)
    assert len(set(keys)) == 4
    batch = source.patches((keys[0],))
    assert batch.label is not None
    assert {int(index) for index in batch.label.unique()} - {0} == source.classes(keys[0])
