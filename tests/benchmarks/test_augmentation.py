"""The measurement of augmentation compares libraries that do the same to the same samples."""

from __future__ import annotations

import pytest
import torch

from benchmarks import augmentation as bench


@pytest.mark.parametrize("elastic", [False, True])
def test_every_library_undergoes_every_transform(elastic: bool) -> None:
    sample = bench.samples_of(16, 1)[0]
    given = sample[0].clone(), sample[1].clone()
    for name, augment in bench.libraries(16, elastic).items():
        for which in (*(frozenset({each}) for each in bench.PROBABILITIES), frozenset(bench.PROBABILITIES)):
            tries = [augment(sample, which) for _ in range(5)]  # one may draw next to nothing
            assert any(not torch.equal(torch.as_tensor(image), given[0]) for image, _ in tries), (name, which)
            image, label = tries[0]
            assert image.shape == label.shape == (1, 16, 16, 16)
            assert set(label.unique().tolist()) <= {0, 1, 2}
            assert torch.equal(label.to(torch.uint8), given[1]) is not bool(which & {"spatial", "flip"})
        image, label = augment(sample, frozenset())
        assert torch.equal(torch.as_tensor(image), given[0])
    assert torch.equal(sample[0], given[0])
    assert torch.equal(sample[1], given[1])


def test_transforms_are_chosen_by_their_probabilities() -> None:
    names = bench.chosen(4000)
    for name, probability in bench.PROBABILITIES.items():
        assert abs(sum(name in each for each in names) / 4000 - probability) < 0.03
    assert bench.chosen(20) == names[:20]


def test_a_ratio_is_the_median_of_those_within_each_turn_and_goals_are_held_against_it() -> None:
    seconds = {bench.OURS: [1.0, 2.0, 4.0], bench.MONAI: [1.4, 3.0, 40.0], bench.TORCHIO: [9.0, 9.0, 4.0]}
    found = bench.compared(seconds, elastic=False)
    assert {each.name: each.ratio for each in found} == {bench.OURS: 1.0, bench.MONAI: 1.5, bench.TORCHIO: 4.5}
    holds = {goal.what.split()[0]: goal.holds for goal in bench.goals(found)}
    assert holds == {bench.MONAI: True, bench.TORCHIO: False}
