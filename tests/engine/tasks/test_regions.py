"""A segmentation of regions that overlap, and one with voxels that do not count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.engine.tasks.cases import SEGMENTATION, stored_case
from wardround.engine.metrics import mask_scores
from wardround.engine.sampling.batch import Batch
from wardround.engine.study import Study
from wardround.engine.tasks import SegmentationTask, build_task, segmentation

CPU = torch.device("cpu")


def regions_study(**changes: object) -> Study:
    content = {key: value for key, value in SEGMENTATION.items() if key != "classes"}
    return Study.model_validate(content | {"regions": {"whole": [1, 4], "disc": 1}} | changes)


class Oracle(nn.Module):
    """Log-odds that put a voxel into the whole where it is 1 or 2, and into the disc where it is 1."""

    def forward(self, windows: Tensor) -> Tensor:
        """(samples, 1, *window) to (samples, 2, *window)."""
        return torch.cat([windows > 0.5, (windows > 0.5) & (windows < 1.5)], dim=1).float() * 80 - 40


def test_a_perfect_network_scores_perfectly() -> None:
    task = build_task(regions_study())
    assert task.study.class_names == ("background", "whole, disc", "whole")
    case = stored_case(0, (40, 21))
    perfect = replace(case, image=case.label[None].astype(np.float32))  # type: ignore[index]
    evaluation = task.evaluate(Oracle(), [perfect], ["a"], CPU)
    values = {name: summary.value for name, summary in evaluation.summary.items()}
    assert values.keys() == {"loss"} | {f"{m}{r}" for m in ("dice", "hd95", "nsd") for r in ("", ".whole", ".disc")}
    assert values["loss"] < 1e-4
    assert values["dice"] == values["dice.disc"] == values["nsd.whole"] == 1
    np.testing.assert_array_equal(task.most_probable(Oracle(), perfect, CPU), case.label)


def test_labels_and_probabilities_say_the_same_by_every_way() -> None:
    task = build_task(regions_study(inference={"mirror": True}))
    assert isinstance(task, SegmentationTask)
    network, case = task.network(), stored_case(0, (45, 30))
    whole = task.predict(network, case, CPU)
    assert whole.values.shape == (2, 45, 30)
    labels = task.most_probable(network, case, CPU)
    np.testing.assert_array_equal(labels, whole.labels)
    with task.by_class(network, case, CPU) as volumes:
        np.testing.assert_array_equal(volumes.volume(1), whole.values[1])
    evaluation = task.evaluate(network, [case], ["a"], CPU)
    scores = mask_scores(task.study, task._metrics, labels, np.asarray(case.label), case.geometry.spacing)
    assert {name: evaluation.cases[0].scores[name] for name in scores} == scores


@pytest.mark.parametrize("ignore", [None, 255])
def test_the_loss_by_piece_is_that_of_the_whole_case(ignore: int | None) -> None:
    task = build_task(regions_study(ignore=ignore))
    network, case = task.network(), stored_case(0, (45, 30))
    if ignore is not None:
        case.label[:, 10:] = 3  # type: ignore[index]
    by_piece = task.evaluate(network, [case], ["a"], CPU).summary
    known = task._loss
    task._loss = lambda outputs, batch: known(outputs, batch)
    whole = task.evaluate(network, [case], ["a"], CPU).summary
    assert by_piece["loss"].value == pytest.approx(whole["loss"].value, rel=1e-5)
    assert {name: found for name, found in by_piece.items() if name != "loss"} == {
        name: found for name, found in whole.items() if name != "loss"
    }


@pytest.mark.parametrize("loss", ["dice_ce", "bce", "focal"])
def test_ignored_voxels_change_neither_scores_nor_loss(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation, "_PIECE", 1)  # row by row, of which some are ignored throughout
    content = SEGMENTATION | {"ignore": 255, "training": {"loss": loss}}
    task, case = build_task(Study.model_validate(content)), stored_case(0, (16, 16))
    case.label[8:] = 3  # type: ignore[index]
    network = task.network()
    before = task.evaluate(network, [case], ["a"], CPU).summary
    image = torch.from_numpy(case.image)[None]
    network.eval()
    outputs = network(image)
    truth = torch.from_numpy(np.asarray(case.label)).long()[None]
    few = task.losses(outputs[:, :, :8], Batch((), image, {"mask": truth[:, :8]}))
    assert before["loss"].value == pytest.approx(few.item(), rel=1e-4)
    assert int(task.most_probable(network, case, CPU).max()) < 3


def test_a_mask_of_which_only_background_counts_has_no_dice() -> None:
    task, case = build_task(Study.model_validate(SEGMENTATION | {"ignore": 255})), stored_case(0, (16, 16))
    case.label[...] = np.where(case.label > 0, 3, 0)  # type: ignore[operator]
    assert "dice" not in task.evaluate(task.network(), [case], ["a"], CPU).summary
