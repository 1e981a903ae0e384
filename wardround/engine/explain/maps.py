"""The map of a whole case, on the grid of its image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wardround.engine.cohort import Case
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.experiments.prediction import in_memory
from wardround.engine.explain.aim import Aim
from wardround.engine.explain.cam import layer_of
from wardround.engine.explain.methods import Method, Question
from wardround.engine.inference import ProbabilitySink, drain, predict_windows
from wardround.engine.networks.precision import plain_fp32
from wardround.engine.preprocessing import Sample, read_sample, to_native
from wardround.engine.preprocessing.cases import image_of, naming
from wardround.engine.sampling.padding import padding_of
from wardround.engine.store.case import StoredCase
from wardround.engine.targets import target_of
from wardround.engine.tasks.whole import centred


@dataclass(frozen=True)
class Explained:
    """A map of one case.

    Attributes:
        case: the case.
        sample: its image as it is in its file.
        values: float32 (*spatial) on the grid of the file.
        output: the name of what is explained.
        layer: whose features were looked at; empty for methods that look at none.
    """

    case: Case
    sample: Sample
    values: np.ndarray
    output: str
    layer: str


def explain_case(model: TrainedModel, case: Case, method: Method, output: str = "", layer: str = "") -> Explained:
    """Explain one output for one case: the one of that name, or else what the model predicts.

    Where no name is given that is the most probable class of a whole image, the first class of a segmentation behind
    the background, or the first number. A segmentation is explained window by window, and windows are blended as in a
    prediction; a whole image as the one patch that the network sees, with 0 around it.

    Raises `InputError` that names the case, or what of the request does not fit the network.
    """
    sample = read_sample(model.study, case)
    with naming(case, image_of(case)):
        stored = in_memory(model.pipeline, case, sample)
    index = _index(model, stored, output)
    question = _question(model, stored, index, method, layer)
    dense = target_of(model.study).on_grid
    values = _by_windows(model, stored, method, question) if dense else _as_one(model, stored, method, question)
    native = to_native(values[None], stored.geometry, stored.native, "probabilities", stored.cut_to)[0]
    return Explained(case, sample, native, model.study.outputs[index], question.layer)


def _index(model: TrainedModel, case: StoredCase, output: str) -> int:
    target, names = target_of(model.study), model.study.outputs
    if output:
        return names.index(output)
    if target.on_grid:
        return 0 if model.study.regions else min(1, len(names) - 1)
    if not target.has_classes:
        return 0
    return int(model.task.predict(model.network, case, model.device).labels)


def _question(model: TrainedModel, case: StoredCase, index: int, method: Method, layer: str) -> Question:
    empty = torch.tensor(padding_of(model.study, case.voxels) or (0.0,) * len(model.study.inputs))
    example = torch.from_numpy(_patch(model, case)).to(model.device)
    found = layer_of(model.network, example, layer) if method.has_layer else ""
    aim = Aim(index, target_of(model.study).activation_of(model.study))
    return Question(model.network, aim, found, empty.float().to(model.device))


def _patch(model: TrainedModel, case: StoredCase) -> np.ndarray:
    """(1, channels, *patch): the middle of a case."""
    return centred(case.voxels, model.study.patches.size, padding_of(model.study, case.voxels))[None]


def _by_windows(model: TrainedModel, case: StoredCase, method: Method, question: Question) -> np.ndarray:
    def explain(windows: Tensor) -> Tensor:
        with plain_fp32():
            return method.explain(question, windows.to(model.device))[:, None]

    sink = ProbabilitySink(1, case.geometry.shape)
    outside, size = padding_of(model.study, case.voxels), model.study.patches.size
    drain(predict_windows(explain, case.voxels, size, model.study.inference, outside), sink)
    return np.asarray(sink.whole[0])


def _as_one(model: TrainedModel, case: StoredCase, method: Method, question: Question) -> np.ndarray:
    with plain_fp32():
        found = method.explain(question, torch.from_numpy(_patch(model, case)).to(model.device))
    return uncentred(found[0].cpu().numpy(), case.geometry.shape)


def uncentred(patch: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The way back from `centred`: a patch where it was cut, on a grid of this shape, with 0 around it."""
    out = np.zeros(shape, dtype=np.float32)
    corners = [int((length - side) / 2) for length, side in zip(shape, patch.shape, strict=True)]
    into = tuple(slice(max(0, corner), corner + side) for corner, side in zip(corners, patch.shape, strict=True))
    outof = tuple(
        slice(max(0, -corner), max(0, -corner) + min(side, length))
        for corner, side, length in zip(corners, patch.shape, shape, strict=True)
    )
    out[into] = patch[outof]
    return out
