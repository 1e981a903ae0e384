"""Dense windows: constants stay constant, images stay images, and neither batches nor order matter."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from wardround.engine.imaging import ArrayReadable
from wardround.engine.imaging.image import Geometry
from wardround.engine.inference import LabelSink, Predictor, ProbabilitySink, drain, mirrored, predict_windows, quick
from wardround.engine.inference.windows import WindowGrid, _outer, gaussian_profile, window_starts
from wardround.engine.study.sections import Inference

Blend = Literal["gaussian", "constant"]
INFERENCES = st.builds(
    Inference,
    overlap=st.floats(0, 0.9),
    blend=st.sampled_from(["gaussian", "constant"]),
    batch_size=st.integers(1, 7),
)
AXES = st.lists(st.tuples(st.integers(1, 23), st.integers(4, 12)), min_size=2, max_size=3)


def constant(windows: Tensor) -> Tensor:
    """Two outputs, 0.25 and -3 everywhere."""
    return (
        torch.tensor([0.25, -3.0]).reshape(1, 2, *(1,) * (windows.ndim - 2)).expand(len(windows), 2, *windows.shape[2:])
    )


def readable(image: np.ndarray) -> ArrayReadable:
    """An array in memory as what windows ask."""
    return ArrayReadable.of(image, Geometry(image.shape[1:], (1.0,), (0.0,), (1.0,)))


def blended(
    predict: Predictor, image: np.ndarray, window: Sequence[int], inference: Inference, outside: Sequence[float] = ()
) -> np.ndarray:
    """All slabs together, (outputs, *spatial)."""
    slabs = [planes.clone() for _, planes in predict_windows(predict, readable(image), window, inference, outside)]
    return torch.cat(slabs).movedim(-1, 0).numpy()


def image_of(shape: list[int], channels: int = 2) -> np.ndarray:
    """Random voxels."""
    return np.random.default_rng(sum(shape)).normal(size=(channels, *shape)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(axes=AXES, inference=INFERENCES)
def test_a_constant_model_gives_a_constant_volume(axes: list[tuple[int, int]], inference: Inference) -> None:
    shape, window = [size for size, _ in axes], [side for _, side in axes]
    found = blended(constant, image_of(shape), window, inference)
    assert found.shape == (2, *shape)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], 0.25, rtol=1e-5)
    np.testing.assert_allclose(found[1], -3.0, rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(axes=AXES, inference=INFERENCES)
def test_an_identity_model_gives_the_image(axes: list[tuple[int, int]], inference: Inference) -> None:
    shape, window = [size for size, _ in axes], [side for _, side in axes]
    image = image_of(shape)
    found = blended(lambda windows: windows, image, window, inference)
    np.testing.assert_allclose(found, image, rtol=1e-5, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 300), side=st.integers(1, 64), overlap=st.floats(0, 0.9))
def test_windows_cover_the_axis_with_at_least_the_overlap(size: int, side: int, overlap: float) -> None:
    size = max(size, side)
    starts = window_starts(size, side, overlap)
    assert starts[0] == 0
    assert starts[-1] + side == size
    steps = [after - before for before, after in itertools.pairwise(starts)]
    assert all(0 < step <= max(1, int(side * (1 - overlap))) for step in steps)
    assert max(steps, default=0) - min(steps, default=0) <= 1


@pytest.mark.parametrize("blend", ["gaussian", "constant"])
@pytest.mark.parametrize("shape", [(19, 22), (13, 17, 11)])
def test_batches_equal_windows_one_by_one(shape: tuple[int, ...], blend: Blend) -> None:
    network, window = random_network(len(shape)), [8] * len(shape)
    one, many = (
        blended(network, image_of(list(shape), 1), window, Inference(blend=blend, batch_size=size)) for size in (1, 16)
    )
    np.testing.assert_allclose(many, one, atol=1e-5)


def test_a_call_gets_at_most_the_batch_size() -> None:
    sizes: list[int] = []

    def watched(windows: Tensor) -> Tensor:
        sizes.append(len(windows))
        return windows

    blended(watched, image_of([16, 16]), [8, 8], Inference(overlap=0.5, batch_size=4))
    assert sizes == [4, 4, 1]


def whole_volume(network: nn.Module, image: np.ndarray, window: list[int], inference: Inference) -> np.ndarray:
    """The plain way, as a slow oracle: every output is added to a sum of the whole volume."""
    missing = [max(0, side - size) for side, size in zip(window, image.shape[1:], strict=True)]
    padded = np.pad(image, [(0, 0), *((total // 2, total - total // 2) for total in missing)])
    grid = WindowGrid.over(padded.shape[1:], window, inference)
    weights, total, positions = _outer(grid.profiles).unsqueeze(-1), None, grid.positions()
    for first in range(0, len(positions), inference.batch_size):
        starts = positions[first : first + inference.batch_size]
        outputs = network(torch.from_numpy(np.stack([padded[(slice(None), *grid.region(at))] for at in starts])))
        total = torch.zeros(*padded.shape[1:], outputs.shape[1]) if total is None else total
        for start, output in zip(starts, outputs.float().movedim(1, -1), strict=True):
            total[grid.region(start)].addcmul_(output, weights)
    assert total is not None
    first_axis, *others = (grid.coverage(axis, size) for axis, size in enumerate(total.shape[:-1]))
    for plane, weight in zip(total, first_axis, strict=True):
        plane.div_(_outer(others).unsqueeze(-1) * weight)
    inside = tuple(slice(total // 2, total // 2 + size) for total, size in zip(missing, image.shape[1:], strict=True))
    return np.moveaxis(total[inside].numpy(), -1, 0)


@settings(max_examples=60, deadline=None)
@given(axes=AXES, inference=INFERENCES)
def test_planes_that_are_handed_out_early_have_the_bits_of_the_whole(
    axes: list[tuple[int, int]], inference: Inference
) -> None:
    shape, window = [size for size, _ in axes], [side for _, side in axes]
    network, image = random_network(len(shape)), image_of(shape, 1)
    np.testing.assert_array_equal(
        blended(network, image, window, inference), whole_volume(network, image, window, inference)
    )


@settings(max_examples=40, deadline=None)
@given(axes=AXES, inference=INFERENCES)
def test_sinks_keep_the_whole_and_its_most_probable_class(axes: list[tuple[int, int]], inference: Inference) -> None:
    shape, window = [size for size, _ in axes], [side for _, side in axes]
    network, image = random_network(len(shape)), image_of(shape, 1)
    labels, kept = LabelSink(3, shape), ProbabilitySink(3, shape)
    drain(predict_windows(network, readable(image), window, inference), labels, kept)
    expected = whole_volume(network, image, window, inference)
    np.testing.assert_array_equal(kept.whole, expected, strict=True)
    np.testing.assert_array_equal(labels.labels, expected.argmax(axis=0))
    assert labels.labels.dtype == np.uint8


def test_of_equal_probabilities_the_first_class_is_kept_and_many_classes_fit() -> None:
    probabilities = torch.zeros(2, 3, 300)
    probabilities[1, 2, [7, 280]] = 1.0
    probabilities[0, 1, 299] = 1.0
    labels = LabelSink(300, (2, 3))
    labels.put(0, probabilities)
    assert labels.labels.tolist() == [[0, 299, 0], [0, 0, 7]]


def test_no_more_planes_are_held_than_a_window_is_deep() -> None:
    sizes = [
        len(planes)
        for _, planes in predict_windows(random_network(2), readable(image_of([64, 9], 1)), [8, 8], Inference())
    ]
    assert sum(sizes) == 64
    assert max(sizes) <= 8


def random_network(dimensions: int) -> nn.Module:
    """Three convolutions with norms, whose result depends on a window's borders."""
    convolution = {2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [convolution(1, 6, 3, padding=1), nn.Tanh(), convolution(6, 6, 3, padding=1), nn.Tanh()]
        return nn.Sequential(*layers, convolution(6, 3, 3, padding=1)).requires_grad_(False)


@pytest.mark.parametrize("blend", ["gaussian", "constant"])
@pytest.mark.parametrize("shape", [(32, 48), (16, 32, 24)])
def test_windows_equal_monais(shape: tuple[int, ...], blend: Blend) -> None:
    """With the same weights: MONAI lifts a Gaussian's corners to 0.001, so it is given ours, scaled beyond that."""
    from monai.inferers import sliding_window_inference

    network, image = random_network(len(shape)), image_of(list(shape), 1)
    window, inference = [16] * len(shape), Inference(overlap=0.5, blend=blend)
    weights = 1e8 * _outer(WindowGrid.over(shape, window, inference).profiles)
    ours = blended(network, image, window, inference)
    theirs = sliding_window_inference(
        torch.from_numpy(image)[None], window, 4, network, overlap=0.5, roi_weight_map=weights
    )
    np.testing.assert_allclose(ours, theirs[0].numpy(), atol=1e-4)


def test_one_window_is_the_network_itself() -> None:
    network, image = random_network(3), image_of([8, 10, 12], 1)
    found = blended(network, image, [8, 10, 12], Inference())
    np.testing.assert_allclose(found, network(torch.from_numpy(image)[None])[0].numpy(), atol=1e-6)


def test_a_small_case_is_padded_evenly() -> None:
    seen: list[Tensor] = []

    def watched(windows: Tensor) -> Tensor:
        seen.append(windows)
        return windows

    blended(watched, np.ones((1, 5, 8), np.float32), [8, 8], Inference())
    assert seen[0].shape == (1, 1, 8, 8)
    assert seen[0][0, 0, :, 0].tolist() == [0, 1, 1, 1, 1, 1, 0, 0]


def test_what_is_padded_has_the_value_of_its_channel() -> None:
    seen: list[Tensor] = []

    def watched(windows: Tensor) -> Tensor:
        seen.append(windows)
        return windows

    found = blended(watched, np.ones((2, 5, 8), np.float32), [8, 8], Inference(), (-4.0, 7.0))
    assert seen[0][0, 0, :, 0].tolist() == [-4, 1, 1, 1, 1, 1, -4, -4]
    assert seen[0][0, 1, :, 0].tolist() == [7, 1, 1, 1, 1, 1, 7, 7]
    np.testing.assert_allclose(found, 1, rtol=1e-6)


@pytest.mark.filterwarnings("error")
def test_a_read_only_memory_map_is_neither_warned_of_nor_changed(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", image_of([9, 9]))
    mapped = np.load(tmp_path / "image.npy", mmap_mode="r")
    found = blended(lambda windows: windows.mul_(2), mapped, [8, 8], Inference(overlap=0))
    np.testing.assert_allclose(found, 2 * image_of([9, 9]), rtol=1e-5)
    assert np.array_equal(mapped, image_of([9, 9]))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("axes", [(), (0,), (1,), (0, 1)])
def test_mirroring_averages_all_flips_of_the_axes(dimensions: int, axes: tuple[int, ...]) -> None:
    network = random_network(dimensions)
    windows = torch.from_numpy(image_of([6, 7, 8][:dimensions], 1))[None]
    flips = [
        [2 + axis for axis, chosen in zip(axes, choice, strict=True) if chosen]
        for choice in itertools.product([False, True], repeat=len(axes))
    ]
    expected = torch.stack([network(windows.flip(flip)).flip(flip) for flip in flips]).mean(0)
    averaged = mirrored(network, axes)
    torch.testing.assert_close(averaged(windows), expected)
    for axis in axes:
        torch.testing.assert_close(averaged(windows.flip(2 + axis)), expected.flip(2 + axis))


def test_mirroring_of_vectors_averages_them() -> None:
    windows = torch.arange(12.0).reshape(1, 1, 3, 4)
    first_voxels = mirrored(lambda flipped: flipped[:, :, 0, 0], (0, 1))(windows)
    assert first_voxels.tolist() == [[(0 + 3 + 8 + 11) / 4]]


@pytest.mark.parametrize("side", [4, 7, 96])
def test_the_profile_is_a_symmetric_gaussian_of_an_eighth(side: int) -> None:
    profile = gaussian_profile(side).double()
    torch.testing.assert_close(profile, profile.flip(0))
    assert profile.min() > 0
    ratio = torch.log(profile[side // 2] / profile[0]) * 2 * (side / 8) ** 2
    near, far = side // 2 - (side - 1) / 2, (side - 1) / 2
    assert ratio.item() == pytest.approx(far**2 - near**2, rel=1e-4)


def test_quick_settings_are_lighter_and_never_heavier() -> None:
    assert quick(Inference(overlap=0.5, mirror=True, batch_size=9)) == Inference(overlap=0.25, batch_size=9)
    assert quick(Inference(overlap=0.1)).overlap == 0.1
