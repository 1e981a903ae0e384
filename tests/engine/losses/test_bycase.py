"""The loss of a case taken piece by piece is the study's loss of the whole volume, to a relative error of 1e-5."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wardround.engine.losses.classic import CrossEntropyLoss, DiceCELoss
from wardround.engine.parts.losses import CrossEntropy, DiceCE
from wardround.engine.sampling.batch import Batch

LOSSES = [
    DiceCELoss(DiceCE()),
    DiceCELoss(DiceCE(include_background=True, dice_weight=0.3, ce_weight=2.0, smooth=0.5)),
    CrossEntropyLoss(CrossEntropy()),
    CrossEntropyLoss(CrossEntropy(label_smoothing=0.2)),
    CrossEntropyLoss(CrossEntropy(class_weights=(0.5, 2.0, 1.0, 3.0))),
    CrossEntropyLoss(CrossEntropy(label_smoothing=0.1, class_weights=(0.5, 2.0, 1.0, 3.0))),
]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(LOSSES), st.integers(1, 400), st.integers(1, 7), st.integers(0, 99), st.floats(0.1, 30))
def test_pieces_give_the_loss_of_the_volume(
    loss: DiceCELoss | CrossEntropyLoss, voxels: int, pieces: int, seed: int, sharpness: float
) -> None:
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(sharpness * random.normal(size=(voxels, 4)).astype(np.float32))
    probabilities = logits.softmax(dim=1)
    truth = torch.from_numpy(random.integers(0, 4, voxels))
    case = loss.of_case()
    for some, classes in zip(probabilities.chunk(pieces), truth.chunk(pieces), strict=True):
        case.add(some, classes)
    raised = probabilities.T.unsqueeze(0).clamp_min(torch.finfo(torch.float32).tiny).log()
    expected = float(loss(raised, Batch((), raised, {"mask": truth.unsqueeze(0)})))
    assert case.value() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_an_absent_class_and_a_certain_mistake_are_counted() -> None:
    probabilities = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    truth = torch.tensor([0, 0])
    for loss in (DiceCELoss(DiceCE()), CrossEntropyLoss(CrossEntropy())):
        case = loss.of_case()
        case.add(probabilities, truth)
        raised = probabilities.T.unsqueeze(0).clamp_min(torch.finfo(torch.float32).tiny).log()
        assert case.value() == pytest.approx(float(loss(raised, Batch((), raised, {"mask": truth[None]}))), rel=1e-5)
        assert case.value() > 20
