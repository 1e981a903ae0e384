"""Charts say the same in light and dark, are equal for equal data, and count rounds in whole numbers."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image as Pillow

from wardround.engine.report.colours import ALL, Series, series_of
from wardround.engine.report.figures import curves, curves_png, spread

PANELS = {"loss": {"training": [(1.0, 2.0), (2.0, 1.0)]}, "rate": {"rate": [(1.0, 0.1)]}, "none": {}}


def test_charts_are_repeatable_and_come_for_both_schemes() -> None:
    charts = curves(PANELS)
    assert charts == curves(PANELS)
    for chart in charts.charts:
        assert chart.light.startswith(b"<?xml")
        assert b"#1c2530" not in chart.dark
        assert len(chart.dark) == len(chart.light)
        assert b"<image" not in chart.light
        for drawn in (chart.light, chart.dark):
            # No ground of its own: nothing fills the whole drawing.
            assert re.search(rb'id="patch_1">\s*<path [^>]*style="fill: none|fill: #\w+; opacity: 0', drawn)


def test_a_chart_says_in_words_what_it_shows() -> None:
    loss, rate, none = curves(PANELS, "round").charts
    assert loss.alt == "loss by round: training 2 at round 1, 1 at round 2"
    assert rate.alt == "rate by round: rate 0.1 at round 1, 0.1 at round 1"
    assert none.alt == "none by round: nothing yet"
    assert spread({"hd95": [1.0, 3.0]}, "hd95 (mm)").charts[0].alt == (
        "hd95 (mm) over cases: hd95 median 2.0000, 1.0000 to 3.0000"
    )


def test_rounds_are_counted_in_whole_numbers() -> None:
    from matplotlib.figure import Figure

    from wardround.engine.report.figures import _draw_lines, _looks

    for points in ([(1.0, 0.5)], [(0.0, 0.1), (1.0, 0.5), (2.0, 0.6)], [(float(n), 0.1) for n in range(400)]):
        axes = Figure().subplots()
        _draw_lines(axes, {"a": points}, _looks(["a"], {}))
        assert all(tick == round(tick) for tick in axes.get_xticks())


def test_a_site_has_its_look_in_every_chart_and_in_the_legend() -> None:
    looks = series_of(["north", "south", "west"])
    panels = {
        "dice": {"all sites": [(1.0, 0.5)], "south": [(1.0, 0.5)]},
        "loss": {"west": [(1.0, 0.5)], "south": [(1.0, 0.5)]},
    }
    charts = curves(panels, "round", {"all sites": ALL, **looks})
    assert {key.label: key.series for key in charts.keys} == {
        "all sites": ALL,
        "south": looks["south"],
        "west": looks["west"],
    }
    dice, loss = (chart.light.decode() for chart in charts.charts)
    south, west = looks["south"].colour("light"), looks["west"].colour("light")
    assert south in dice
    assert south in loss
    assert west in loss
    assert west not in dice


def test_names_without_a_look_take_what_is_left() -> None:
    charts = curves(
        {"loss": {"training": [(0, 1.0)], "north": [(0, 1.0)], "x": [(0, 1.0)]}}, series={"north": Series(0)}
    )
    assert [(key.label, key.series.number) for key in charts.keys] == [("training", 1), ("north", 0), ("x", 2)]  # type: ignore[union-attr]


def test_a_file_of_curves_has_no_ground() -> None:
    with Pillow.open(io.BytesIO(curves_png(PANELS))) as picture:
        assert picture.convert("RGBA").getpixel((0, 0))[3] == 0  # type: ignore[index]
        assert picture.width > 3 * picture.height


def test_spreads_take_any_number_of_points_and_names() -> None:
    assert spread({"one": [0.5], "many": [0.1, 0.2, 0.9]}, "dice").charts
    crowd = spread({f"roi {number}": [number / 100, 1.0] for number in range(100)}, "dice").charts[0]
    assert b"roi 0 " in crowd.alt.encode()
    assert len(crowd.light) < 300_000
    assert len(spread({"dice": [number / 10_000 for number in range(10_000)]}, "dice").charts[0].light) < 200_000


@pytest.mark.parametrize("name", ["$x^$", "a$b_$c", r"$\frac$", "_under", "a\nb\x1b"])
def test_a_name_is_no_formula_and_no_markup(name: str) -> None:
    assert spread({name: [0.5, 0.6]}, "dice").charts
    assert curves({f"{name}<script>": {name: [(0, 1.0), (1, 2.0)]}}).charts[0].light.count(b"<script") == 0
