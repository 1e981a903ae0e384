"""The model that a training begins with: one made from the study's seed, or one that was given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wardround.aggregator.no_initial import misfit_of, misfit_problem, no_model_problem, require_finite
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.study import Study
from wardround.federation.model_group import MODEL_GROUP, initial_arrays
from wardround.federation.payload import pack, payload_digest
from wardround.federation.strategies.protocol import Arrays

WEIGHTS_FILE = "model.safetensors"


def given_arrays(path: Path, study: Study, place: str = "") -> Arrays:
    """The weights of a model folder or a safetensors file as a round's base.

    Raises:
        InputError: it cannot be read, or does not fit the study's network; one problem says how far it does not.
    """
    where = place or str(path)
    held = read_weights(path, where)
    wanted = {name.removeprefix(MODEL_GROUP): array for name, array in initial_arrays(study).items()}
    if misfit := misfit_of(held, wanted):
        raise InputError([misfit_problem(path, study, misfit, where)])
    require_finite(held, where)
    return {f"{MODEL_GROUP}{name}": held[name] for name in wanted}


def read_weights(path: Path, place: str) -> Mapping[str, np.ndarray]:
    """The tensors of a model folder or a safetensors file. Raises `InputError`, with its place, for what is none."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    file = path / WEIGHTS_FILE if path.is_dir() else path
    try:
        content: Mapping[str, np.ndarray] = load(file.read_bytes())
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise InputError([no_model_problem(file, error, place)]) from None
    return content


def given_digest(arrays: Arrays) -> str:
    """The digest that a plan names a given model by: that of its packed bytes, as they are sent."""
    return payload_digest(pack(arrays))


def notes_on(path: Path, study: Study) -> tuple[str, ...]:
    """What to know of a given model that fits: whether its steps of preprocessing had another version, or other values.

    A file of weights that says nothing of its making gives none.
    """
    from wardround.engine.experiments.models import other_steps
    from wardround.engine.experiments.states import FITTED
    from wardround.engine.training import read_header

    try:
        header = read_header(path / WEIGHTS_FILE if path.is_dir() else path)
    except InputError:
        return ()
    learned = isinstance(header, dict) and FITTED in header
    found = (*other_steps(study, header, path), *((_refitted(path),) if learned else ()))
    return tuple(problem.render() for problem in found)


def _refitted(path: Path) -> Problem:
    return Problem(
        "the given model has learned from images that were prepared with values fitted to other cases",
        where=str(path),
        remedy="This federation fits its own to the cases of its sites; look at the scores of the first rounds",
    )
