"""Grids are compared axis by axis, within the tolerance of what headers store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.images import oblique_geometry
from wardround.engine.imaging import geometry_differences
from wardround.engine.imaging.geometry import centre, plain_geometry

GRID = oblique_geometry((5, 6, 7))


def test_equal_grids_have_no_differences() -> None:
    assert geometry_differences(GRID, GRID) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": (5, 9, 7)}, "size of axis y: 6 against 9"),
        ({"spacing": (1.0, 1.2, 2.1)}, "spacing of axis z: 2 against 2.1 mm (0.7 mm or 0.35 voxels at the far end)"),
        ({"origin": (-31.5, 12.5, 7.0)}, "origin along x: -31 against -31.5 mm (0.5 mm or 0.48 voxels)"),
    ],
)
def test_each_difference_names_its_axis(change: dict[str, tuple[float, ...]], words: str) -> None:
    assert geometry_differences(GRID, replace(GRID, **change)) == (words,)  # type: ignore[arg-type]


def test_turned_axes_are_both_named() -> None:
    turned = replace(GRID, direction=plain_geometry((5, 6, 7)).direction)
    differences = geometry_differences(GRID, turned)
    assert [text.split(":")[0] for text in differences] == ["direction of axis x", "direction of axis y"]


def test_rounding_of_headers_is_tolerated() -> None:
    rounded = replace(GRID, spacing=(1.0005, 1.2, 2.0), origin=(-31.005, 12.5, 7.0))
    assert geometry_differences(GRID, rounded) == ()


def test_2d_against_3d() -> None:
    assert geometry_differences(GRID, plain_geometry((5, 6))) == ("3 axes against 2",)


def test_centre_of_a_plain_grid() -> None:
    assert centre(plain_geometry((5, 4))).tolist() == [2.0, 1.5]
