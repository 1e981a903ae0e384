"""A model folder: all that `predict` needs, and nothing that names a subject or a path.

`study.yaml` is the study as a person reads it, `model.safetensors` the weights of the best validation (of the last
step, where no validation had a score to choose by), `last.safetensors` those of the last step, `metrics.json` how well
it does and on what it was trained. Where preprocessing is fitted, `preprocessing.json` holds what it learned; where
post-processing is kept only if it helps, `postprocessing.json` says what did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from torch import Tensor

from wardround import __version__
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.basics.reading import remedy_for_missing
from wardround.engine.basics.releases import LaterReleaseError, is_later
from wardround.engine.experiments.chosen_steps import kept_steps
from wardround.engine.experiments.states import FITTED, read_state, write_state
from wardround.engine.preprocessing import Pipeline, other_versions
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.study import Study, load_study
from wardround.engine.study.part_names import PartUse
from wardround.engine.study.written import write_study as write_study
from wardround.engine.tasks import Task, build_task
from wardround.engine.training import read_header, read_tensors, resolve_device, write_tensors
from wardround.engine.training.weights import put_weights

BEST, LAST, STUDY, METRICS = "model.safetensors", "last.safetensors", "study.yaml", "metrics.json"
_SHOWN_MODELS = 3
_ASK = "Ask who gave you this for the whole folder `model`, or copy all of it"
_RELEASE, _STEPS = "release", "steps"
_FIRST = ("resample", "resize")
"""Steps that had another version in a release that recorded none."""
_WHAT_CHANGED = (
    "Images that are made smaller are low-pass filtered now; where none is, nothing differs. Otherwise train again for "
    "the best predictions"
)


@dataclass(frozen=True)
class TrainedModel:
    """A study and its network with trained weights, in evaluation mode on its device.

    `notices` are what whoever uses it should know, `state` what its preprocessing learned from its training cases,
    `steps` the post-processing that was decided on.
    """

    study: Study
    task: Task
    network: Any
    device: Any
    notices: tuple[Problem, ...] = ()
    state: FittedState = EMPTY
    steps: tuple[PartUse, ...] = ()

    @cached_property
    def pipeline(self) -> Pipeline:
        """The preprocessing that it was trained with, fitted values included."""
        return Pipeline(self.study, self.state)


def load_model(folder: Path, *, device: str = "auto") -> TrainedModel:
    """Load the best weights of a model folder.

    Raises:
        InputError: the folder is not whole, was altered, or was written by a later release that had more.
    """
    require_model(folder)
    with naming_later_releases(folder):
        return _load(folder, device)


def require_model(folder: Path) -> None:
    """Raise `InputError` for a folder that is no model's, with the one that was probably meant."""
    missing = [name for name in (STUDY, BEST) if not (folder / name).is_file()]
    if not missing:
        return
    torn = None if _models_near(folder) else _torn(folder)
    if torn is not None:
        raise InputError([torn])
    raise InputError.one(
        "this is not a model folder",
        where=str(folder),
        got=f"no {' and no '.join(missing)}",
        expected=f"a folder with {STUDY} and {BEST}",
        remedy=where_models_lie(folder),
    )


def where_models_lie(folder: Path) -> str:
    """What to do about a folder that is no model's: the one that was probably meant, or where models come from."""
    near = _models_near(folder)
    if near:
        return f"Name {' or '.join(map(str, near[:_SHOWN_MODELS]))}"
    if not folder.exists():
        return f"{remedy_for_missing(folder)}. `wardround fit` writes a folder called `model` for each fold"
    return "`wardround fit` writes one, called `model`, for each fold when it is finished: RUN/fold-0/model"


def model_at(place: Path) -> Path | None:
    """The model folder that a path is, or that lies just within or around it; None where there is none."""
    near = [place, *_models_near(place)]
    return next((path for path in near if (path / STUDY).is_file() and (path / BEST).is_file()), None)


def _models_near(folder: Path) -> list[Path]:
    """The model folder that was probably meant: in a run's folder, a fold's, or around a file of the model."""
    around = [folder.parent] if folder.is_file() else [*folder.glob("model"), *sorted(folder.glob("*/model"))]
    return [path for path in around if (path / STUDY).is_file() and (path / BEST).is_file()]


def _torn(folder: Path) -> Problem | None:
    """What is missing of a model of which only a part is there; None for what is no part of one."""
    place = folder.parent if folder.is_file() else folder
    weights = _weights_in(place, folder)
    if weights and not (place / STUDY).is_file():
        got, expected = f"weights alone, {', '.join(weights)}", f"both, {STUDY} and {BEST}, in one folder"
        remedy = f"{_ASK}: weights alone do not say how images are made ready for them, nor what their classes are"
        return Problem(f"{STUDY} is missing", str(folder), got, expected, remedy)
    is_model = (place / STUDY).is_file() and (place / METRICS).is_file()
    return _without_weights(folder, weights) if weights or is_model else None


def _weights_in(place: Path, named: Path) -> list[str]:
    """Names of the files of weights in a folder; of a file that was named, its own."""
    names = [path.name for path in sorted(place.glob("*.safetensors")) if path.name != "checkpoint.safetensors"]
    return [name for name in names if place == named or name == named.name]


def _without_weights(folder: Path, weights: list[str]) -> Problem:
    others = " or ".join(name for name in weights if name != LAST)
    remedy = f"If {others} has its weights, call that file {BEST}. Otherwise: {_ASK}" if others else _ASK
    got, expected = ", ".join([STUDY, *weights]), f"both, {STUDY} and {BEST}, in one folder"
    return Problem(f"{BEST} is missing", str(folder), got, expected, remedy)


def _load(folder: Path, device: str) -> TrainedModel:
    study = load_study(folder / STUDY)
    file = read_tensors(folder / BEST)
    if not isinstance(file.header, dict) or file.header.get("study") != study.digest:
        raise InputError.one(
            "the weights do not belong to this study",
            where=str(folder),
            remedy=f"{STUDY} must stay as it was when the model was trained",
        )
    state = read_state(folder, study, file.header.get(FITTED))
    task = build_task(study, state)
    network = task.network()
    put_weights(network, file.tensors)
    place = resolve_device(device)
    steps, undecided = kept_steps(study, folder)
    notices = (*other_steps(study, file.header, folder), *undecided)
    return TrainedModel(study, task, network.to(place).eval(), place, notices, state, steps)


def other_steps(study: Study, header: JsonValue, place: Path) -> tuple[Problem, ...]:
    """What to know of weights that were trained with steps of another version than those of this release: they are
    given other voxels than they learned from. A header without versions is of a release that had the first of each."""
    recorded = header.get(_STEPS) if isinstance(header, dict) else None
    known: Mapping[str, JsonValue] = recorded if isinstance(recorded, dict) else dict.fromkeys(_FIRST, 1)
    changed = other_versions(study, known)
    if not changed:
        return ()
    problem = Problem(
        f"these weights were trained with another version of {' and '.join(changed)}: it gives other voxels now",
        where=str(place),
        got=", ".join(f"{name} {known[name]}" for name in changed),
        expected=", ".join(f"{name} {version}" for name, version in changed.items()),
        remedy=_WHAT_CHANGED if set(changed) <= set(_FIRST) else "Train it again for the best predictions",
    )
    return (problem,)


@contextmanager
def naming_later_releases(folder: Path) -> Iterator[None]:
    """While a model folder is opened: what this release cannot read of a later one's is said in these words."""
    try:
        yield
    except InputError as error:
        release = _release_of(folder)
        if not is_later(release):
            raise
        raise LaterReleaseError.of(folder, [problem.what for problem in error.problems], release) from None


def _release_of(folder: Path) -> str:
    """The release that wrote a model folder; empty where it does not say, as in those of 0.1.0."""
    try:
        header = read_header(folder / BEST)
    except InputError:
        return ""
    release = header.get(_RELEASE) if isinstance(header, dict) else None
    return release if isinstance(release, str) else ""


def write_weights(
    path: Path, study: Study, weights: Mapping[str, Tensor], step: int, state: FittedState = EMPTY
) -> None:
    """Write weights with the study's digest, the step that they are from, the release that writes them, the versions of
    its steps of preprocessing, and the digest of what these learned, which is written beside them."""
    steps: dict[str, JsonValue] = dict(Pipeline(study).versions)
    header: dict[str, JsonValue] = {"step": step, "study": study.digest, _RELEASE: __version__, _STEPS: steps}
    if not state.is_empty:
        write_state(path.parent, state)
        header[FITTED] = state.digest
    write_tensors(path, weights, header)


def require_images_alone(study: Study, done: str) -> None:
    """Raise `InputError` for a network that is given more than an image. `done` is what cannot be done with it."""
    if study.columns:
        what, got = f"a network that is given columns of a table cannot be {done}", ", ".join(study.columns)
        remedy = "Give the model folder away as it is: `wardround predict` takes it on any machine"
        raise InputError.one(what, where="columns", got=got, expected="images alone", remedy=remedy)
