"""Grids are compared axis by axis, within the tolerance of what headers store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.images import oblique_geometry
from wardround.engine.imaging import geometry_differences
from wardround.engine.imaging.geometry import (
    centre,
    file_differences,
    only_rounded,
    plain_geometry,
    rounding_words,
)

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


FINE = replace(plain_geometry((512, 512, 40)), spacing=(0.703125, 0.703125, 2.5))


@pytest.mark.parametrize(
    ("spacing", "words"),
    [
        ((0.7031, 0.7031, 2.5), ""),
        ((0.7034, 0.7034, 2.5), None),
        ((0.703, 0.703, 2.5), ""),
        ((0.70, 0.70, 2.5), None),
        ((0.703125, 0.703125, 2.51), None),
    ],
)
def test_a_spacing_that_is_rounded_is_the_same_as_long_as_voxels_are(
    spacing: tuple[float, ...], words: str | None
) -> None:
    assert (file_differences(FINE, replace(FINE, spacing=spacing)) == ()) == (words is not None)


def test_rounding_is_told_where_it_moves_voxels_and_never_makes_another_grid_the_same() -> None:
    wide = replace(FINE, shape=(2048, 2048, 40))
    rounded = replace(wide, spacing=(0.703, 0.703, 2.5))
    assert file_differences(wide, rounded) == ()
    assert "0.703125 against 0.703 mm (0.256 mm or 0.36 voxels at the far end)" in rounding_words(wide, rounded)
    assert geometry_differences(wide, rounded) != ()
    assert rounding_words(FINE, replace(FINE, spacing=(0.7031, 0.7031, 2.5))) == ""
    coarse = replace(FINE, spacing=(0.70, 0.70, 2.5))
    assert only_rounded(FINE, coarse)
    assert file_differences(FINE, coarse) != ()
    assert not only_rounded(FINE, replace(coarse, origin=(9.0, 0.0, 0.0)))
    assert not only_rounded(FINE, replace(coarse, shape=(511, 512, 40)))
    assert not only_rounded(FINE, replace(FINE, spacing=(0.71, 0.703125, 2.5)))
    assert file_differences(FINE, plain_geometry((5, 6))) == ("3 axes against 2",)
