"""Whatever the order and direction of an array's axes, a picture shows the patient the way a radiologist reads."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from wardround.engine.imaging.image import Geometry
from wardround.engine.preprocessing.orientation import towards
from wardround.engine.report.views import Edges, View, letters, main_view, telling_index, views_of

LPS = Geometry((8, 10, 12), (1.0, 2.0, 3.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
EXPECTED = {
    "axial": (Edges("R", "L", "A", "P"), (2.0, 1.0)),
    "coronal": (Edges("R", "L", "S", "I"), (3.0, 1.0)),
    "sagittal": (Edges("A", "P", "S", "I"), (3.0, 2.0)),
}
ORDERS = [
    "".join(letter[side] for letter, side in zip(order, sides, strict=True))
    for order in itertools.permutations(("LR", "PA", "SI"))
    for sides in itertools.product((0, 1), repeat=3)
]


def _marked(axes: str) -> tuple[np.ndarray, Geometry]:
    """A volume with a block at the patient's left, front and head, its axes pointing to the letters given."""
    volume = np.zeros(LPS.shape, np.uint8)
    volume[6:, :3, 8:] = 1
    change = towards(LPS, axes)
    return change.apply(volume), change.apply_to_grid(LPS)


def _turned(degrees: float, axes: Sequence[int]) -> Geometry:
    turn, angle = np.eye(3), np.radians(degrees)
    first, second = axes
    turn[first, first] = turn[second, second] = np.cos(angle)
    turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
    return Geometry(LPS.shape, LPS.spacing, LPS.origin, tuple(turn.ravel().tolist()))


def _corner(view: View, plane: np.ndarray) -> tuple[bool, bool]:
    """Whether the block is in the lower and in the right half of a picture."""
    rows, columns = np.nonzero(plane)
    return bool(rows.mean() > plane.shape[0] / 2), bool(columns.mean() > plane.shape[1] / 2)


@pytest.mark.parametrize("axes", ORDERS)
def test_the_left_front_and_head_of_a_patient_are_where_they_belong(axes: str) -> None:
    volume, geometry = _marked(axes)
    found = {view.name: view for view in views_of(geometry)}
    assert list(found) == list(EXPECTED)
    for name, (edges, spacing) in EXPECTED.items():
        view = found[name]
        plane = view.cut(volume, telling_index(view, volume))
        assert (view.edges, view.spacing) == (edges, spacing)
        # Left and head: right in the axial and coronal picture, up in the coronal and sagittal one; front: up, or left.
        assert _corner(view, plane) == (False, name != "sagittal")
        assert plane.shape == {"axial": (10, 8), "coronal": (12, 8), "sagittal": (12, 10)}[name]


def test_a_plane_is_numbered_as_in_the_file() -> None:
    volume, geometry = _marked("RAI")
    axial = views_of(geometry)[0]
    index = telling_index(axial, volume)
    assert volume[:, :, index].any()
    assert axial.place(index) == f"axial, slice {index + 1} of 12"


@pytest.mark.parametrize("axes", ["LPS", "RAS", "PIR", "SAL"])
def test_a_box_lies_over_the_voxels_it_holds(axes: str) -> None:
    volume, geometry = _marked(axes)
    places = np.nonzero(volume)
    corner = [int(place.min()) for place in places]
    size = [int(place.max() - place.min()) + 1 for place in places]
    for view in views_of(geometry):
        plane = view.cut(volume, telling_index(view, volume))
        row, column, rows, columns = view.rectangle(corner, size)
        assert plane[row : row + rows, column : column + columns].all()
        assert plane.sum() == rows * columns


def test_channels_stay_in_front_of_a_plane() -> None:
    volume, geometry = _marked("PIR")
    for view in views_of(geometry):
        index = telling_index(view, volume)
        assert np.array_equal(view.cut(np.stack([volume, volume]), index)[1], view.cut(volume, index))


def test_a_tilted_plane_is_called_oblique_and_one_that_is_turned_in_itself_is_not() -> None:
    axial, coronal, sagittal = views_of(_turned(16, (0, 1)))
    assert axial.name == "axial"
    assert coronal.name == "oblique, nearest to coronal (16° off)"
    assert sagittal.name == "oblique, nearest to sagittal (16° off)"
    assert views_of(_turned(4, (1, 2)))[0].name == "axial"
    assert views_of(_turned(30, (1, 2)))[0].name == "oblique, nearest to axial (30° off)"


@pytest.mark.parametrize(
    ("direction", "told"),
    [
        ((1, 0, 0), "L"),
        ((-0.96, 0.28, 0), "R"),
        ((0, -0.8, 0.6), "AS"),
        ((0.6, 0.6, -0.52), "LPI"),
    ],
)  # fmt: skip
def test_letters_name_where_a_direction_points(direction: tuple[float, ...], told: str) -> None:
    assert letters(np.array(direction, dtype=float)) == told


def test_one_slice_has_one_view_and_a_photograph_is_shown_as_it_is() -> None:
    thin = Geometry((8, 10, 1), LPS.spacing, LPS.origin, LPS.direction)
    assert [view.name for view in views_of(thin)] == ["axial"]
    photograph = Geometry((3, 5), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
    (view,) = views_of(photograph)
    pixels = np.arange(15).reshape(3, 5)
    assert (view.name, view.edges) == ("", None)
    assert np.array_equal(view.cut(pixels, 0), pixels)


def test_thick_slices_are_looked_at_in_their_own_plane() -> None:
    sagittal_scan = Geometry((11, 300, 300), (4.0, 0.7, 0.7), LPS.origin, LPS.direction)
    assert main_view(sagittal_scan).name == "sagittal"
    assert main_view(Geometry((9, 9, 9), (1.0, 1.0, 1.0), LPS.origin, LPS.direction)).name == "axial"
