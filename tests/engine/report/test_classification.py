"""A page of a classification: a class that is hardly found is seen, and what is drawn and told is what was counted."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
from PIL import Image as Pillow

from tests.support.studies import CLASSIFICATION, changed, study_of
from wardround.engine.metrics.class_rates import class_rates
from wardround.engine.parts.metrics.classification import ECE
from wardround.engine.report import Page, calibration, confusion, number, operating_curves
from wardround.engine.report.classification import add_classification, hardly_found
from wardround.engine.report.colours import INK, LINES, Scheme, Series
from wardround.engine.report.confusion import _STRONGEST
from wardround.engine.report.figures import _saved, in_both
from wardround.engine.report.labels import add_labels
from wardround.engine.report.page import Chart
from wardround.engine.study import Study
from wardround.engine.targets import Told

Pairs = list[tuple[np.ndarray, Told]]
TWO = ("normal", "pneumonia")
CARDS = {"light": "#ffffff", "dark": "#1c2229"}


def _study(names: Sequence[str] = TWO, metrics: Sequence[Any] = ("accuracy", "auc")) -> Study:
    classes = {name: index for index, name in enumerate(names)}
    return study_of(changed(CLASSIFICATION, classes=classes, validation={"metrics": [*metrics], "select": "auc"}))


def _taken(counts: Sequence[Sequence[int]], certainty: float = 0.8) -> Pairs:
    """Cases by truth (rows) that are taken for classes (columns), all with one probability."""
    size = len(counts)
    vectors = np.full((size, size), (1 - certainty) / (size - 1), np.float32)
    np.fill_diagonal(vectors, certainty)
    return [
        (vectors[column], Told(category=row))
        for row, cells in enumerate(counts)
        for column, count in enumerate(cells)
        for _ in range(count)
    ]


def _random(names: int, cases: int = 90) -> Pairs:
    draws = np.random.default_rng(7)
    truths = draws.integers(0, names, cases)
    logits = draws.normal(size=(cases, names))
    logits[np.arange(cases), truths] += 1
    vectors = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return [(vector, Told(category=int(truth))) for vector, truth in zip(vectors, truths, strict=True)]


def test_a_model_that_finds_6_of_26_normal_cases_is_seen_to() -> None:
    pairs = _taken([[6, 20], [1, 173]])
    assert hardly_found(_study(), pairs) == ["only 6 of 26 cases of 'normal' found (23%); a guess among 2 finds 50%"]


def test_a_class_that_is_never_predicted_is_named() -> None:
    found = hardly_found(_study(("a", "b", "c")), _taken([[5, 0, 0], [1, 0, 0], [2, 0, 3]]))
    assert found == ["no case was taken for 'b', of which there is 1"]


@pytest.mark.parametrize(
    ("names", "counts"),
    [
        (TWO, [[13, 13], [1, 9]]),  # as often as a guess
        (("a", "b", "c"), [[4, 3, 3], [0, 5, 0], [0, 0, 0]]),  # 40 % among three, and a class of which there is no case
    ],
)
def test_classes_that_are_found_as_often_as_by_chance_or_that_no_case_has_are_not_complained_of(
    names: Sequence[str], counts: list[list[int]]
) -> None:
    assert hardly_found(_study(names), _taken(counts)) == []


def test_cases_whose_class_is_unknown_are_not_counted() -> None:
    unknown = (np.array([0.9, 0.1], np.float32), Told())
    page = Page("none")
    add_classification(page, _study(), [unknown])
    assert hardly_found(_study(), [unknown]) == []
    assert "<h2>" not in page.render()
    assert hardly_found(_study(), [unknown] * 50 + _taken([[5, 0], [0, 5]])) == []


def test_labels_are_counted_where_they_are_known() -> None:
    vectors = np.array([[0.9, 0.2], [0.8, 0.1], [0.1, 0.4], [0.7, 0.3]])
    truths = np.array([[1.0, 1.0], [0.0, np.nan], [1.0, 1.0], [0.0, 0.0]])
    nodule, effusion = class_rates(vectors, truths, ("nodule", "effusion"))
    assert (nodule.cases.expected, nodule.cases.found, nodule.cases.both, nodule.cases.all) == (2, 3, 1, 4)
    assert (effusion.cases.expected, effusion.cases.found, effusion.cases.all) == (2, 0, 3)


@pytest.mark.parametrize("size", [2, 3])
def test_the_table_of_rates_has_what_scikit_learn_has(size: int) -> None:
    names, pairs = [f"c{index}" for index in range(size)], _random(size)
    page = Page("rates")
    add_classification(page, _study(names), pairs)
    told = dict(_rows(page, "class", size))
    vectors, truths = np.stack([vector for vector, _ in pairs]), np.array([told.category for _, told in pairs])
    found = vectors.argmax(axis=1)
    for index, name in enumerate(names):
        known, guessed = truths == index, found == index
        expected = (
            reference.recall_score(known, guessed),
            reference.recall_score(~known, ~guessed),
            reference.precision_score(known, guessed),
            reference.f1_score(known, guessed),
            reference.roc_auc_score(known, vectors[:, index]),
        )
        assert told[name][:2] == [str(known.sum()), str(guessed.sum())]
        assert [cell.split()[0] for cell in told[name][2:]] == [number(value) for value in expected]
        for cell, value in zip(told[name][2:], expected, strict=True):
            low, high = map(float, re.findall(r"\((.*) to (.*)\)", cell)[0])
            assert low < value < high


def test_the_interval_of_f1_holds_the_truth_as_often_as_it_says() -> None:
    draws = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        truths = draws.random(60) < 0.4
        found = np.where(draws.random(60) < 0.75, truths, ~truths)
        vectors = np.stack([~found, found], axis=1).astype(np.float64)
        f1 = class_rates(vectors, truths.astype(int), TWO)[1].f1
        assert f1 is not None
        interval = f1.interval
        assert interval is not None
        held += interval.low <= 2 * 0.3 / (0.4 + 0.3 + 0.15) <= interval.high
    assert 0.92 < held / 400 < 0.99


def test_the_table_of_thresholds_is_that_of_the_second_of_two_classes() -> None:
    pairs, page = _random(2), Page("thresholds")
    add_classification(page, _study(), pairs)
    rows = dict(_rows(page, "probability", 9))
    for threshold, cells in rows.items():
        found = np.array([vector[1] >= float(threshold) for vector, _ in pairs])
        known = np.array([told.category == 1 for _, told in pairs])
        counts = (found & known).sum(), (~found & known).sum(), (found & ~known).sum()
        assert cells[:3] == [*map(str, counts)]
        assert cells[3].split()[0] == number(reference.recall_score(known, found))
    assert [*rows] == [f"0.{tenth}" for tenth in range(1, 10)]
    other = Page("three")
    add_classification(other, _study(("a", "b", "c")), _random(3))
    assert "Choose another threshold" not in other.render()


def _rows(page: Page, first: str, most: int) -> list[tuple[str, list[str]]]:
    table = page.render().split(f'<th scope="col">{first}</th>')[1].split("</table>")[0]
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in table.split("<tr>")[1:]]
    assert len(rows) == most
    return [(row[0], row[1:]) for row in rows]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The figures of a page by their words."""
    figures: dict[str, Any] = {}

    def kept(figure: Any, words: str) -> Chart:
        figures[words] = figure
        return in_both(figure, words)

    for module in (calibration, confusion, operating_curves):
        monkeypatch.setattr(module, "in_both", kept)
    return figures


def _of(drawn: dict[str, Any], start: str) -> Any:
    return next(figure for words, figure in drawn.items() if words.startswith(start))


def test_a_mistake_is_orange_where_its_row_and_its_column_meet(drawn: dict[str, Any]) -> None:
    add_classification(Page("x"), _study(("a", "b", "c")), _taken([[5, 0, 0], [0, 5, 0], [10, 0, 0]]))
    figure = _of(drawn, "Cases by truth")
    with Pillow.open(io.BytesIO(_saved(figure, "png"))) as picture:
        pixels = np.asarray(picture.convert("RGBA")).astype(int)
    for number_of_series, cells in ((0, [(0, 0), (1, 1)]), (1, [(2, 0)])):
        share = _STRONGEST * 255
        places = np.argwhere(
            (np.abs(pixels[..., :3] - _rgb(Series(number_of_series).colour("light"))).max(axis=-1) < 25)
            & (np.abs(pixels[..., 3] - share) < 12)
        )
        axes = figure.axes[0]
        data = axes.transData.inverted().transform(
            np.stack([places[:, 1], pixels.shape[0] - places[:, 0]], axis=1) * figure.dpi / 110
        )
        assert {(round(row), round(column)) for column, row in data} == set(cells)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("look", [0, 1])
def test_numbers_are_read_on_the_strongest_cell(scheme: Scheme, look: int) -> None:
    cell = _STRONGEST * _rgb(LINES[scheme][look]) + (1 - _STRONGEST) * _rgb(CARDS[scheme])
    bright, dim = sorted((_luminance(cell), _luminance(_rgb(INK[scheme]))), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) > 4.5


def test_the_confusion_is_also_told_in_words(drawn: dict[str, Any]) -> None:
    add_classification(Page("x"), _study(), _taken([[6, 20], [0, 9]]))
    assert "Cases by truth and prediction. normal: 6 as normal, 20 as pneumonia; pneumonia: 9 as pneumonia" in drawn


def test_of_many_classes_the_most_frequent_mistakes_are_listed(drawn: dict[str, Any]) -> None:
    counts = np.eye(13, dtype=int) * 3
    counts[4, 7], counts[2, 1] = 9, 4
    page = Page("many")
    add_classification(page, _study([f"c{index}" for index in range(13)]), _taken(counts.tolist()))
    assert _rows(page, "truth", 2) == [("c4", ["c7", "9", "12"]), ("c2", ["c1", "4", "7"])]
    assert not any(words.startswith("Cases by truth") for words in drawn)
    assert len(_of(drawn, "ROC").axes[0].lines) == 1 + 12


def test_curves_go_through_the_points_of_every_threshold(drawn: dict[str, Any]) -> None:
    pairs = _random(2)
    add_classification(Page("x"), _study(), pairs)
    scores = np.array([vector[1] for vector, _ in pairs])
    known = np.array([told.category == 1 for _, told in pairs])
    line = _of(drawn, "ROC").axes[0].lines[1]
    points = {(round(float(x), 6), round(float(y), 6)) for x, y in zip(*line.get_data(), strict=True)}
    everywhere = {
        (round(float((scores[~known] >= cut).mean()), 6), round(float((scores[known] >= cut).mean()), 6))
        for cut in [*scores, np.inf]
    }
    assert points <= everywhere
    assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(reference.roc_auc_score(known, scores))
    across, up = _of(drawn, "Precision").axes[0].lines[0].get_data()
    area = -np.sum(np.diff(across) * up[:-1])
    assert area == pytest.approx(reference.average_precision_score(known, scores))


def test_one_class_alone_has_no_curves_and_that_is_said(drawn: dict[str, Any]) -> None:
    page = Page("x")
    add_classification(page, _study(), _taken([[5, 2], [0, 0]]))
    assert "here is none" in page.render()
    assert _rows(page, "class", 2)[1][1][2] == "– undefined"


@pytest.mark.parametrize(("metrics", "bins"), [(["auc"], ECE().bins), (["auc", {"ece": {"bins": 4}}], 4)])
def test_calibration_is_that_of_the_metric(drawn: dict[str, Any], metrics: list[Any], bins: int) -> None:
    study, pairs = _study(metrics=metrics), _random(2)
    add_classification(Page("x"), study, pairs)
    most, right = (
        np.array([vector.max() for vector, _ in pairs]),
        np.array([vector.argmax() == told.category for vector, told in pairs]),
    )
    places = np.minimum((most * bins).astype(int), bins - 1)
    expected = sum(abs(right[places == place].sum() - most[places == place].sum()) for place in range(bins)) / len(most)
    assert f"Calibration of the most probable class: ECE {number(expected)} over 90 cases" in drawn
    across, up = _of(drawn, "Calibration").axes[0].lines[-1].get_data()
    kept = [place for place in range(bins) if (places == place).any()]
    assert across.tolist() == pytest.approx([most[places == place].mean() for place in kept])
    assert up.tolist() == pytest.approx([right[places == place].mean() for place in kept])


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)], dtype=np.float64)


def _luminance(colour: np.ndarray) -> float:
    parts = colour / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_labels_have_curves_calibration_and_the_same_warning(drawn: dict[str, Any]) -> None:
    changes = {"task": "multilabel", "targets": ["nodule", "effusion"], "training": {"loss": "bce", "epochs": 2}}
    study = study_of(changed(CLASSIFICATION, classes=None, **changes))
    vectors = [(0.9, 0.2), (0.2, 0.1), (0.8, 0.4), (0.3, 0.3)]
    truths = [(1.0, 1.0), (0.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    pairs = [(np.array(one, np.float32), Told(numbers=other)) for one, other in zip(vectors, truths, strict=True)]
    add_labels(Page("labels"), study, pairs)
    assert hardly_found(study, pairs) == ["no case was taken for 'effusion', of which there are 3"]
    assert "ROC: nodule AUC 1.0000, effusion AUC 1.0000" in drawn
    assert [words.partition(":")[0] for words in drawn][2:] == ["Calibration of nodule", "Calibration of effusion"]
