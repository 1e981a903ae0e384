"""Pictures of whole cases for the hospital's own pages: which one it is, how well it was met, and its planes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wardround.engine.cohort import Case
from wardround.engine.experiments.results import CasePrediction
from wardround.engine.imaging import read_header
from wardround.engine.imaging.image import Space
from wardround.engine.metrics.scores import CaseScores
from wardround.engine.parts import Kind
from wardround.engine.preprocessing import told_of
from wardround.engine.preprocessing.labels import counted
from wardround.engine.report.images import image_scenes
from wardround.engine.report.page import Page, Panel, number
from wardround.engine.report.panels import Scene, outline_keys, panel_png
from wardround.engine.report.units import Units, in_colour
from wardround.engine.report.views import View, main_view, telling_index, views_of
from wardround.engine.study import Study
from wardround.engine.study.labels import BACKGROUND
from wardround.engine.targets import row_target_of, target_of

_MOST_CLASSES = 6
_NEITHER: tuple[tuple[float, float] | None, bool] = None, False
"""A step that does nothing to what is shown has no window, and leaves its intensities what they are."""


def add_pictures(
    page: Page,
    predictions: Sequence[CasePrediction],
    roles: Mapping[str, str],
    cases: Sequence[CaseScores],
    study: Study,
) -> None:
    """Pictures of cases, each under its subject, its role (`worst`) and its scores. For pages that stay at the
    hospital."""
    if not predictions:
        return
    scores = {case.subject: case.scores for case in cases}
    shown = [_Shown.of(one, roles.get(one.case.subject, ""), scores, study) for one in predictions]
    page.heading("Cases to look at")
    _add_legend(page, study, [scene for case in shown for _, scene in case.scenes])
    if study.dimensions == 2:
        page.gallery("", [panel for case in shown for panel in case.panels(case.said)])
        return
    for case in shown:
        page.gallery(case.said, case.panels(""))


def _add_legend(page: Page, study: Study, scenes: Sequence[Scene]) -> None:
    keys = outline_keys(outlined_names(study), scenes)
    if keys:
        page.keys(keys)


@dataclass(frozen=True)
class _Shown:
    """A case's line, and its pictures with their captions."""

    said: str
    scenes: tuple[tuple[str, Scene], ...]

    @classmethod
    def of(
        cls, prediction: CasePrediction, role: str, scores: Mapping[str, Mapping[str, float]], study: Study
    ) -> _Shown:
        said = _heading(prediction, role, scores.get(prediction.case.subject, {}), study)
        return cls(said, tuple(case_scenes(prediction, study)))

    def panels(self, before: str) -> list[Panel]:
        """The pictures; `before` goes before their captions."""
        return [
            Panel(panel_png(scene), _sentence(before, caption), _sentence(self.said, caption))
            for caption, scene in self.scenes
        ]


def _sentence(*parts: str) -> str:
    return ": ".join(filter(None, parts))


def case_scenes(prediction: CasePrediction, study: Study) -> Iterator[tuple[str, Scene]]:
    """Each view of a case through most of its truth, or of the prediction where that is empty, with its caption; the
    one that was scanned comes first."""
    image = prediction.sample.image
    outlines = {
        name: labels
        for name, labels in (("truth", prediction.sample.label), ("prediction", prediction.labels))
        if labels is not None
    }
    guide = next((counting for labels in outlines.values() if (counting := counted(study, labels)).any()), None)
    shown = shown_input(study, 0)
    space = read_header(prediction.case.channels[0], study.dicom).space
    scanned = main_view(image.geometry)
    for view in sorted(views_of(image.geometry, space), key=lambda view: view.axis != scanned.axis):
        index = telling_index(view, guide)
        caption = ", ".join(part for part in (view.place(index), shown) if part)
        scene = Scene(
            plane_image(image.data, view, index, study, 0),
            view.spacing,
            {name: view.cut(labels, index) for name, labels in outlines.items()},
            view.edges,
            in_mm=space is not Space.NOTHING,
            window=clip_window(study),
            structures=outlined_classes(study),
        )
        yield caption, scene
        for said, other in image_scenes(prediction, study, view, index, scene):
            yield ", ".join(filter(None, (view.place(index), said))), other


def outlined_names(study: Study) -> tuple[str, ...]:
    """The names of what a picture outlines, by its number from 1; that of 0 is of what has no outline."""
    return study.class_names if study.overlaps is None else (BACKGROUND, *study.overlaps.names)


def outlined_classes(study: Study) -> tuple[frozenset[int], ...]:
    """The classes of each structure that a picture outlines, in order of their numbers; empty where each class is one.
    Voxels that do not count have no outline."""
    is_plain = study.overlaps is None and study.ignored_class is None
    return () if is_plain else tuple(target_of(study).structures(study).values())


def plane_image(data: np.ndarray, view: View, index: int, study: Study, channel: int) -> np.ndarray:
    """The plane of one channel of (channels, *spatial); of a photograph in red, green and blue all of them."""
    if not in_colour(study):
        return view.cut(data[channel], index)
    low, high = float(data.min()), float(data.max())
    if low >= 0 and 1 < high <= 255:
        low, high = 0.0, 255.0  # the pixels of a file, as they are
    ordered = [_place_of(study, letter) for letter in "rgb"]
    return np.moveaxis((data[ordered] - low) / max(high - low, 1e-6), 0, -1).clip(0, 1)


def shown_input(study: Study, channel: int) -> str:
    """Which of several inputs a picture shows; empty where it shows them all."""
    return "" if len(study.inputs) == 1 or in_colour(study) else f"input {study.inputs[channel]}"


def clip_window(study: Study) -> tuple[float, float] | None:
    """The range that the study limits intensities to before it changes them, as for CT; None without one."""
    shown = study.inputs[0]
    for window, rescales in study.steps(lambda step: (step.window, step.rescales) if step.reaches(shown) else _NEITHER):
        if window is not None or rescales:
            return window
    return None


def _place_of(study: Study, letter: str) -> int:
    return next(place for place, name in enumerate(study.inputs) if name.lower().startswith(letter))


def _heading(prediction: CasePrediction, role: str, scores: Mapping[str, float], study: Study) -> str:
    case = prediction.case
    told = _score(case, scores, study)
    if prediction.vector is not None:
        told = row_target_of(study).verdict(study, prediction.vector, told_of(study, case))
    return f"{case.subject}: {told}" + (f", {role}" if role else "")


def _score(case: Case, scores: Mapping[str, float], study: Study) -> str:
    """The selecting metric of a case and those of its classes; of very many only the worst."""
    select = study.validation.select
    if select not in scores:
        return f"{select} undefined"
    classes = {name: value for name, value in scores.items() if name.startswith(f"{select}.")}
    each = ", ".join(f"{name.removeprefix(f'{select}.')} {number(value)}" for name, value in classes.items())
    if len(classes) > _MOST_CLASSES:
        use = next(use for use in study.validation.metrics if use.name == select)
        worst = (min if use.part(Kind.METRIC).higher_is_better else max)(classes, key=lambda name: classes[name])
        each = f"worst class {worst.removeprefix(f'{select}.')} {number(classes[worst])}"
    named = Units.of_cases(study, [case]).named(select)
    return f"{named} {number(scores[select])}" + (f" ({each})" if len(classes) > 1 else "")
