"""The model that a training begins with: one made from the study's seed, or one that was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from wardround.aggregator.outputs import MODEL_GROUP, initial_arrays
from wardround.aggregator.strategies.protocol import Arrays
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.study import Study
from wardround.federation.payload import pack, payload_digest

WEIGHTS_FILE = "model.safetensors"


def given_arrays(path: Path, study: Study, place: str = "") -> Arrays:
    """The weights of a model folder or a safetensors file as a round's base.

    Raises:
        InputError: it cannot be read, or does not fit the study's network; every tensor that does not fit is named.
    """
    held = _read(path / WEIGHTS_FILE if path.is_dir() else path, place or str(path))
    wanted = {name.removeprefix(MODEL_GROUP): array for name, array in initial_arrays(study).items()}
    findings = Findings()
    for name in sorted({*held, *wanted}):
        _compare(name, held.get(name), wanted.get(name), findings, place or str(path))
    if findings.problems:
        remedy = "Give a model that was trained with this study, or leave `initial` out to begin from the study's seed"
        raise InputError(replace(problem, remedy=remedy) for problem in findings.problems)
    return {f"{MODEL_GROUP}{name}": held[name] for name in wanted}


def given_digest(arrays: Arrays) -> str:
    """The digest that a plan names a given model by: that of its packed bytes, as they are sent."""
    return payload_digest(pack(arrays))


def notes_on(path: Path, study: Study) -> tuple[str, ...]:
    """What to know of a given model that fits: whether its steps of preprocessing had another version.

    A file of weights that says nothing of its making gives none.
    """
    from wardround.engine.experiments.models import other_steps
    from wardround.engine.training import read_header

    try:
        header = read_header(path / WEIGHTS_FILE if path.is_dir() else path)
    except InputError:
        return ()
    return tuple(problem.render() for problem in other_steps(study, header, path))


def _read(path: Path, place: str) -> Mapping[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        content: Mapping[str, np.ndarray] = load(path.read_bytes())
    except OSError as error:
        reason = error.strerror or ""
    except (SafetensorError, KeyError, ValueError, TypeError):
        reason = "not a safetensors file of numbers that numpy has"
    else:
        return content
    raise InputError.one(
        "the initial model cannot be read",
        where=place,
        got=f"{path}: {reason}",
        expected="a model folder, or a safetensors file with the network's weights",
        remedy=f"Name a folder that `wardround fit` or a federation wrote, such as one with {WEIGHTS_FILE}, or leave "
        "`initial` out",
    )


def _compare(name: str, held: np.ndarray | None, wanted: np.ndarray | None, findings: Findings, place: str) -> None:
    if held is None or wanted is None:
        what = "has no tensor" if held is None else "has a tensor that the network does not have,"
        findings.add(f"the initial model {what} {name}", where=place)
    elif (held.shape, held.dtype) != (wanted.shape, wanted.dtype):
        findings.add(f"the initial model's {name} does not fit", where=place, got=_form(held), expected=_form(wanted))
    elif held.dtype.kind == "f" and not np.isfinite(held).all():
        findings.add(f"the initial model's {name} has values that are not finite", where=place)


def _form(array: np.ndarray) -> str:
    return f"{array.dtype.name} {'x'.join(map(str, array.shape)) or 'scalar'}"
