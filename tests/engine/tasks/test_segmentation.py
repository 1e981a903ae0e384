"""Segmentation: probabilities on the case's grid, scores in its mm, the study's loss of the whole case."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.engine.tasks.cases import SEGMENTATION, stored_case, study
from wardround.engine.inference import quick
from wardround.engine.losses.bycase import normalised
from wardround.engine.sampling.batch import Batch
from wardround.engine.study.sections import Inference
from wardround.engine.tasks import build_task

CPU = torch.device("cpu")


class Oracle(nn.Module):
    """Logits that say class round(intensity), however the windows lie."""

    def forward(self, windows: Tensor) -> Tensor:
        """(samples, 1, *window) to (samples, 3, *window)."""
        classes = torch.arange(3).reshape(1, 3, *(1,) * (windows.ndim - 2))
        return -40.0 * (windows - classes).abs()


@pytest.mark.parametrize("shape", [(16, 16), (29, 21), (11, 30)])
def test_probabilities_lie_on_the_cases_grid_and_sum_to_one(shape: tuple[int, int]) -> None:
    task = build_task(study(SEGMENTATION, inference={"mirror": True}))
    prediction = task.predict(task.network(), stored_case(0, shape), CPU)
    assert prediction.values.shape == (3, *shape)
    np.testing.assert_allclose(prediction.values.sum(0), 1, rtol=1e-5)
    assert prediction.labels.shape == shape


def test_a_perfect_network_scores_perfectly() -> None:
    task = build_task(study(SEGMENTATION))
    case = stored_case(0, (40, 21))
    perfect = type(case)(**{**vars(case), "image": case.label[None].astype(np.float32)})  # type: ignore[index]
    evaluation = task.evaluate(Oracle(), [perfect], ["a"], CPU)
    values = {name: summary.value for name, summary in evaluation.summary.items()}
    assert values["loss"] < 1e-4
    assert values["dice"] == values["dice.disc"] == values["nsd.ring"] == 1
    assert values["hd95"] == 0


def test_distances_are_in_the_cases_millimetres() -> None:
    task = build_task(study(SEGMENTATION))
    network = task.network()
    one, three = (
        task.evaluate(network, [stored_case(0, spacing=spacing)], ["a"], CPU).summary["hd95"].value
        for spacing in (1.0, 3.0)
    )
    assert three == pytest.approx(3 * one)


def test_the_loss_is_the_studys_loss_of_the_whole_case() -> None:
    task = build_task(study(SEGMENTATION))
    network, case = task.network(), stored_case(0)
    found = task.evaluate(network, [case], ["a"], CPU).summary["loss"].value
    image, label = torch.from_numpy(case.image)[None], torch.from_numpy(np.asarray(case.label)).long()[None]
    network.eval()
    expected = task.losses(network(image), Batch((), image, {"mask": label}))
    assert found == pytest.approx(expected.item(), rel=1e-4)


def test_other_settings_replace_the_studys() -> None:
    calls: list[int] = []

    class Counted(Oracle):
        def forward(self, windows: Tensor) -> Tensor:
            calls.append(len(windows))
            return super().forward(windows)

    inference = {"overlap": 0.5, "mirror": True, "batch_size": 1}
    task = build_task(study(SEGMENTATION, augmentation=["flip"], inference=inference))
    case = stored_case(0, (32, 32))
    counts = []
    for inference in (None, quick(task.study.inference), Inference(overlap=0, batch_size=64)):
        calls.clear()
        task.evaluate(Counted(), [case], ["a"], CPU, inference=inference)
        counts.append(sum(calls))
    assert counts == [9 * 4, 9, 4]


def test_a_three_dimensional_case() -> None:
    model = {"name": "resunet", "dimensions": 3, "filters": 4, "levels": 2}
    task = build_task(study(SEGMENTATION, patches={"size": [16, 12, 16]}, model=model))
    evaluation = task.evaluate(task.network(), [stored_case(0, (18, 10, 17))], ["a"], CPU)
    assert 0 <= evaluation.summary["dice"].value <= 1


def test_labels_without_probabilities_are_the_same() -> None:
    task = build_task(study(SEGMENTATION, inference={"mirror": True}))
    network, case = task.network(), stored_case(0, (45, 30))
    labels = task.most_probable(network, case, CPU)
    np.testing.assert_array_equal(labels, task.predict(network, case, CPU).labels)
    assert labels.dtype == np.uint8


def test_a_loss_that_needs_the_volume_is_given_it() -> None:
    task = build_task(study(SEGMENTATION))
    network, case = task.network(), stored_case(0, (45, 30))
    by_planes = task.evaluate(network, [case], ["a"], CPU)
    known = task._loss
    task._loss = lambda outputs, batch: known(outputs, batch)
    whole = task.evaluate(network, [case], ["a"], CPU)
    assert by_planes.summary.keys() == whole.summary.keys()
    for name, found in by_planes.summary.items():
        assert found.value == pytest.approx(whole.summary[name].value, rel=1e-5 if name == "loss" else 0)


class Watching(nn.Module):
    """A network that notes in which type it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 3, 1)
        self.types: set[torch.dtype] = set()

    def forward(self, windows: Tensor) -> Tensor:
        """(samples, 1, *window) to (samples, 3, *window)."""
        logits: Tensor = self.layer(windows)
        self.types.add(logits.dtype)
        return logits


@pytest.mark.parametrize(("precision", "kind"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_predictions_are_computed_in_the_studys_precision(precision: str, kind: torch.dtype) -> None:
    task = build_task(study(SEGMENTATION, training={"loss": "dice_ce", "precision": precision}))
    network = Watching()
    assert task.predict(network, stored_case(0), CPU).values.dtype == np.float32
    task.evaluate(network, [stored_case(0)], ["a"], CPU)
    assert network.types == {kind}


class Sharp:
    """A loss as a plug-in brings it: the mean of one minus the truth's probability, of a volume or by piece."""

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) losses."""
        raise AssertionError("a loss that can be taken by piece is not given the volume")

    def of_case(self) -> CaseSharp:
        """Begin a case."""
        return CaseSharp()


class CaseSharp:
    """As docs/developer.md shows it."""

    def __init__(self) -> None:
        self.total, self.voxels = 0.0, 0

    def add(self, probabilities: Tensor, truth: Tensor) -> None:
        """Sum over some voxels."""
        shares = normalised(probabilities)
        self.total += float((1 - shares.gather(1, truth.unsqueeze(1))).double().sum())
        self.voxels += len(truth)

    def value(self) -> float:
        """The mean."""
        return self.total / self.voxels


def test_a_plugin_loss_that_can_be_taken_by_piece_sees_no_volume() -> None:
    task = build_task(study(SEGMENTATION))
    network, case = task.network(), stored_case(0, (45, 30))
    task._loss = Sharp()
    found = task.evaluate(network, [case], ["a"], CPU).summary["loss"].value
    chosen = np.take_along_axis(task.predict(network, case, CPU).values, case.label[None].astype(int), 0)  # type: ignore[index]
    assert found == pytest.approx(float(1 - chosen.mean()), rel=1e-5)
