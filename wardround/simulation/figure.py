"""One picture of the demo: image, truth, the federation's answer and a stranger's, a row for each hospital."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from wardround.simulation.baselines import POOLED
from wardround.simulation.matrix import FEDERATED

_TISSUES = ListedColormap(["#e8a33d", "#3aa6a0"])


@dataclass(frozen=True)
class Panel:
    """A slice in (row, column) order with a coloured label map over it, or none."""

    title: str
    image: np.ndarray
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class Strip:
    """A row of panels with a name at its left."""

    name: str
    panels: tuple[Panel, ...]


def draw_strips(strips: Sequence[Strip], class_names: Sequence[str]) -> bytes:
    """The rows as a PNG on a dark ground, with a legend of the foreground classes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.patches import Patch

    columns = max(len(strip.panels) for strip in strips)
    figure = Figure(figsize=(2.6 * columns + 0.4, 3.2 * len(strips) + 0.5), layout="constrained", facecolor="#101418")
    grid = figure.subplots(len(strips), columns, squeeze=False)
    for axes_row, strip in zip(grid, strips, strict=True):
        for axes, panel in zip(axes_row, strip.panels, strict=False):
            _draw(axes, panel)
        axes_row[0].set_ylabel(strip.name, color="white", fontsize=12)
    handles = [Patch(color=_TISSUES(place), label=name) for place, name in enumerate(class_names[1:])]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, labelcolor="white")
    picture, canvas = io.BytesIO(), FigureCanvasAgg(figure)
    canvas.print_figure(picture, format="png", metadata={"Software": None}, facecolor=figure.get_facecolor())
    return picture.getvalue()


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
        case = Workbench.open(study, manifest, work, device="cpu", threads=threads).test_cases[0]
        stranger = names[place - 1]
        titled = {"trained together": loaded[FEDERATED], f"trained at {stranger} alone": loaded[stranger]}
        strips.append(Strip(site, _panels(case, titled)))
    return tuple(strips), study.class_names


def _panels(case: Any, models: Mapping[str, Any]) -> tuple[Panel, ...]:
    where = case.label.shape[2] // 2
    image, truth = _upright(case.image[0], where), _upright(case.label, where)
    panels = [Panel("image", image), Panel("truth", image, truth)]
    for title, model in models.items():
        labels = model.task.most_probable(model.network, case, model.device)
        score = _mean_dice(labels, case, model.study)
        panels.append(Panel(f"{title}\nDice {score:.2f}", image, _upright(labels, where)))
    return tuple(panels)


def _mean_dice(labels: np.ndarray, case: Any, study: Any) -> float:
    from wardround.engine.metrics.segmentation import DiceMetric
    from wardround.engine.parts.metrics import Dice

    return DiceMetric(Dice()).scores(labels, case.label, case.geometry.spacing, study.class_names)["dice"]


def _upright(volume: np.ndarray, where: int) -> np.ndarray:
    """The axial slice of a RAS volume as radiologists see it: anterior up, the patient's right at the left."""
    return np.asarray(np.fliplr(np.rot90(volume[:, :, where])))


def _draw(axes: Any, panel: Panel) -> None:
    axes.imshow(panel.image, cmap="gray", vmin=np.percentile(panel.image, 1), vmax=np.percentile(panel.image, 99.5))
    if panel.labels is not None:
        shown = np.ma.masked_equal(panel.labels, 0)
        axes.imshow(shown, cmap=_TISSUES, vmin=1, vmax=2, alpha=0.6, interpolation="nearest")
    axes.set_title(panel.title, color="white", fontsize=9)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
