"""One picture of the demo: image, truth, the federation's answer and a stranger's, a row for each hospital."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wardround.demo.baselines import POOLED
from wardround.demo.matrix import FEDERATED
from wardround.engine.report.page import Key, Panel
from wardround.engine.report.panels import Scene, montage_png, outline_keys, panel_png
from wardround.engine.report.views import telling_index, views_of


@dataclass(frozen=True)
class Strip:
    """A hospital's row: what is told of its case, and the pictures, each titled in its scene."""

    name: str
    told: str
    scenes: tuple[Scene, ...]


def draw_strips(strips: Sequence[Strip], class_names: Sequence[str]) -> bytes:
    """The rows as one PNG on a dark ground, with a legend of the outlined classes."""
    scenes = [replace(scene, title=f"{strip.told}\n{scene.title}") for strip in strips for scene in strip.scenes]
    return montage_png(scenes, max(len(strip.scenes) for strip in strips), legend(strips, class_names))


def panels_of(strip: Strip) -> tuple[Panel, ...]:
    """A row's pictures for a page."""
    return tuple(
        Panel(panel_png(scene), scene.title, f"{strip.name}, {strip.told}: {scene.title}") for scene in strip.scenes
    )


def legend(strips: Sequence[Strip], class_names: Sequence[str]) -> list[Key]:
    """The classes by the colours of their outlines."""
    return outline_keys(class_names, [scene for strip in strips for scene in strip.scenes])


def compare_predictions(
    models: Mapping[str, Path], manifests: Mapping[str, Path], work: Path, *, threads: int
) -> tuple[tuple[Strip, ...], tuple[str, ...]]:
    """For each hospital its first held-back case: image, truth, the federated model and another hospital's model.

    Returns the strips and the study's class names. `models` names `federated` and every hospital's own model.
    """
    from wardround.engine.experiments import Workbench, load_model

    loaded = {name: load_model(folder, device="cpu") for name, folder in models.items() if name != POOLED}
    study = loaded[FEDERATED].study
    names, strips = list(manifests), []
    for place, (site, manifest) in enumerate(manifests.items()):
        bench = Workbench.open(study, manifest, work, device="cpu", threads=threads)
        stranger = names[place - 1]
        titled = {"trained together": loaded[FEDERATED], f"trained at {stranger} alone": loaded[stranger]}
        strips.append(_strip(site, bench.split.test[0].subject, bench.test_cases[0], titled))
    return tuple(strips), study.class_names


def _strip(site: str, subject: str, case: Any, models: Mapping[str, Any]) -> Strip:
    view = views_of(case.geometry)[0]
    index = telling_index(view, case.label)
    plain = Scene(view.cut(case.image[0], index), view.spacing, edges=view.edges, title="image")
    truth = replace(plain, outlines={"outline": view.cut(case.label, index)}, title="truth")
    answers = []
    for title, model in models.items():
        labels = model.task.most_probable(model.network, case, model.device)
        score = _mean_dice(labels, case, model.study)
        outlines = {"outline": view.cut(labels, index)}
        answers.append(replace(plain, outlines=outlines, title=f"{title}, Dice {score:.2f}"))
    return Strip(site, f"{subject}, {view.place(index)}", (plain, truth, *answers))


def _mean_dice(labels: np.ndarray, case: Any, study: Any) -> float:
    from wardround.engine.metrics.segmentation import DiceMetric
    from wardround.engine.parts.metrics import Dice

    return DiceMetric(Dice()).scores(labels, case.label, case.geometry.spacing, study.class_names)["dice"]
