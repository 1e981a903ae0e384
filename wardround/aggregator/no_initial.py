"""Why a model cannot be what a training begins with: it is none, or another network's, or of another study."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.basics.reading import kind_of, remedy_for_missing
from wardround.engine.study import Study, load_study
from wardround.engine.study.expectations import flow

WEIGHTS_FILE, STUDY_FILE = "model.safetensors", "study.yaml"
_OTHERWISE = "or leave `initial` out to begin from the study's seed"
_EXPECTED = f"a folder with {STUDY_FILE} and {WEIGHTS_FILE}, as `wardround fit` and federations write it"
_LENGTH = 8
"""Bytes before the header of a safetensors file, which say how long it is."""
_LONGEST_HEADER = 100_000_000
_MOST_LISTED = 4


@dataclass(frozen=True)
class Misfit:
    """How far tensors are not those of a network: counts, and one of those that are not."""

    held: int
    wanted: int
    unknown: int
    lacking: int
    other: int
    example: str

    @property
    def told(self) -> str:
        """In words."""
        parts = (
            (self.unknown, "that the network does not have"),
            (self.other, "of another form"),
        )
        has = ", ".join(f"{count} {what}" for count, what in parts if count)
        lacks = f"without {self.lacking} of the network's {self.wanted}" if self.lacking else ""
        count = "1 tensor" if self.held == 1 else f"{self.held} tensors"
        return f"{count}: {'; '.join(filter(None, (has, lacks)))} (such as {self.example})"


def misfit_of(held: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> Misfit | None:
    """How far tensors do not fit those of a network; None where they do."""
    both = [name for name in sorted(wanted) if name in held]
    unknown, lacking = sorted(held.keys() - wanted.keys()), sorted(wanted.keys() - held.keys())
    other = [name for name in both if _form(held[name]) != _form(wanted[name])]
    if not (unknown or lacking or other):
        return None
    example = (
        f"{other[0]}: {_form(held[other[0]])}, not {_form(wanted[other[0]])}" if other else [*unknown, *lacking][0]
    )
    return Misfit(len(held), len(wanted), len(unknown), len(lacking), len(other), example)


def misfit_problem(path: Path, study: Study, misfit: Misfit, where: str) -> Problem:
    """Weights that are not the network's: of another study, if the file beside them says so, or of another network."""
    theirs = _study_beside(path)
    remedy = f"Name a model that was trained with this study, {_OTHERWISE}"
    if theirs is None:
        what = "these weights are not of this study's network"
        return Problem(what, where, misfit.told, f"the network of {_title(study)}", remedy)
    if (theirs.study, theirs.task) != (study.study, study.task):
        what = f"this model was trained for study {_title(theirs)}; this is {_title(study)}"
        return Problem(what, where, remedy=f"Name another, {_OTHERWISE}")
    got, expected = _differences(theirs, study)
    what = "this model has another network than the study"
    return Problem(what, where, f"{got or 'the same study'}, {misfit.told}", expected, remedy)


def require_finite(held: Mapping[str, np.ndarray], where: str) -> None:
    """Raise `InputError` where weights have values that no network can begin with."""
    spoilt = [name for name in sorted(held) if held[name].dtype.kind == "f" and not np.isfinite(held[name]).all()]
    if spoilt:
        raise InputError.one(
            "the initial model has values that are not finite",
            where=where,
            got=f"{len(spoilt)} of {len(held)} tensors, such as {spoilt[0]}",
            expected="numbers",
            remedy=f"Name another model; training had failed before this one was written, {_OTHERWISE}",
        )


def no_model_problem(path: Path, error: Exception, where: str) -> Problem:
    """What stands where the weights of a model should be, and cannot be read."""
    named = (path.parent if path.name == WEIGHTS_FILE and not path.exists() else path).resolve()
    if isinstance(error, OSError) and path.exists():
        what, got = f"{path.name} cannot be read", error.strerror or type(error).__name__
        return Problem(what, where, got, _EXPECTED, f"Have its rights or its disk looked at, {_OTHERWISE}")
    if not named.exists():
        remedy = f"{remedy_for_missing(named)}, {_OTHERWISE}"
        return Problem(f"there is no model {named.name!r}", where, f"nothing at {named}", _EXPECTED, remedy)
    found = _held_in(named) if named.is_dir() else _written_in(named)
    if found is None:
        what, remedy = f"{path.name} is cut short or damaged", f"Restore it from a copy, name another, {_OTHERWISE}"
        return Problem(what, where, "weights whose end is missing, or that were changed", _EXPECTED, remedy)
    return Problem(f"{named.name} is no model folder of Wardround", where, found, _EXPECTED, _other_place(named))


def _other_place(named: Path) -> str:
    from wardround.engine.experiments.models import where_models_lie

    return f"{where_models_lie(named)}; {_OTHERWISE}"


def _held_in(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"a folder with {', '.join(names[:_MOST_LISTED])}{more}" if names else "an empty folder"


def _written_in(path: Path) -> str | None:
    """What a file is that is no whole safetensors file of numbers; None for one that is cut or damaged."""
    with path.open("rb") as handle:
        start = handle.read(_LENGTH)
        length = int.from_bytes(start, "little")
        header = handle.read(length) if 0 < length < _LONGEST_HEADER else b""
        handle.seek(0)
        content = handle.read(4096)
    if path.suffix in (".pt", ".pth", ".ckpt", ".pkl", ".bin") and kind_of(content):
        return "a file of PyTorch, which may hold code and is never opened"
    if header.startswith(b"{"):
        return _kinds_in(header)
    return None if path.suffix == ".safetensors" else kind_of(content) or ("a text" if content else "an empty file")


def _kinds_in(header: bytes) -> str | None:
    """The kinds of numbers in a safetensors file that numpy lacks, such as BF16; None where that is not the reason."""
    with contextlib.suppress(ValueError):
        kinds = {entry.get("dtype") for name, entry in json.loads(header).items() if name != "__metadata__"}
        if odd := sorted(str(kind) for kind in kinds if str(kind).startswith(("BF", "F8", "F4", "F6"))):
            return f"weights as {' and '.join(odd)}, which this network does not have"
    return None


def _study_beside(path: Path) -> Study | None:
    """The study that a model was trained for, where its folder has it."""
    with contextlib.suppress(InputError):
        return load_study((path if path.is_dir() else path.parent) / STUDY_FILE)
    return None


def _title(study: Study) -> str:
    return f"{study.study} ({study.task})"


def _differences(theirs: Study, ours: Study) -> tuple[str, str]:
    """What two studies of one name say of their networks, where it is not the same."""
    pairs = [
        ("inputs", list(theirs.inputs), list(ours.inputs)),
        ("classes", list(theirs.outputs), list(ours.outputs)),
        ("model", _network(theirs, ours), _network(ours, theirs)),
    ]
    unlike = [(key, one, other) for key, one, other in pairs if one != other]
    return (
        ", ".join(f"{key}: {flow(one)}" for key, one, _ in unlike),
        ", ".join(f"{key}: {flow(other)}" for key, _, other in unlike),
    )


def _network(study: Study, beside: Study) -> dict[str, object]:
    """The name of a study's network, and those of its parameters in which another study's differs."""
    own, other = (each.model.parameters.model_dump(mode="json") for each in (study, beside))
    return {"name": study.model.name, **{key: value for key, value in own.items() if other.get(key) != value}}


def _form(array: np.ndarray) -> str:
    return f"{array.dtype.name} {'x'.join(map(str, array.shape)) or 'scalar'}"
