"""Checkpoints: weights, optimiser and position in one atomic file, with the one before it kept in case of damage."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue, ValidationError
from safetensors.torch import load, save
from torch import Tensor

from wardround.engine.basics.closed import Closed
from wardround.engine.basics.files import discard, fsync_folder
from wardround.engine.basics.problems import InputError
from wardround.engine.training.pace import Pace
from wardround.engine.training.weights import DamagedFileError, read_header, read_tensors, write_tensors

_LOG = logging.getLogger(__name__)
_MODEL, _OPTIMIZER, _HEADER = "model/", "optimizer/", "position"


class Position(Closed):
    """Where a piece of work stands.

    Attributes:
        identity: names the work; a checkpoint of other work is never resumed.
        step: the next step to run.
        loss_sum: sum of the losses of the `counted` steps since the start of the piece.
        counted: see above.
        note: what the caller wants to find again, such as the best score so far.
    """

    identity: str
    step: int
    loss_sum: float = 0.0
    counted: int = 0
    note: JsonValue = None


@dataclass(frozen=True)
class Checkpoint:
    """A position with the weights and the optimiser's tensors at that step."""

    position: Position
    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]


def _ignore(step: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class CheckpointPlan:
    """When and where a loop saves itself. How often has no influence on the result.

    Attributes:
        path: the checkpoint file; the one before it is kept beside it as `<name>.previous`.
        identity: names the work (a work key, a digest of study and cohort); only such a checkpoint is resumed.
        every_seconds: the time between two checkpoints, or more where they would cost over a twentieth of it.
        at_most_seconds: the longest time between two, whatever they cost; None for no such bound.
        every_steps: the largest number of steps between two, if that comes first.
        note: kept in each checkpoint.
        pace: what checkpoints have cost; shared by the plans of one run.
        on_saved: told the step of each checkpoint, once it is durable.
    """

    path: Path
    identity: str
    every_seconds: float = 60.0
    at_most_seconds: float | None = None
    every_steps: int | None = None
    note: JsonValue = None
    on_saved: Callable[[int], None] = _ignore
    pace: Pace = field(default_factory=Pace)

    @property
    def is_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self.pace.is_due(self.every_seconds, self.at_most_seconds)


def packed(checkpoint: Checkpoint) -> bytes:
    """A checkpoint for another process, which `unpacked` reads."""
    header = {_HEADER: checkpoint.position.model_dump_json()}
    return save(_named(checkpoint), metadata=header)


def unpacked(content: bytes) -> Checkpoint:
    """What `packed` wrote."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])["__metadata__"][_HEADER]
    tensors = load(content)
    return Checkpoint(Position.model_validate_json(header), _group(tensors, _MODEL), _group(tensors, _OPTIMIZER))


def previous_path(path: Path) -> Path:
    """Where the checkpoint before the one at `path` is kept."""
    return path.with_name(path.name + ".previous")


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint durably. The one that was there becomes the previous one."""
    if path.exists():
        path.replace(previous_path(path))
    write_tensors(path, _named(checkpoint), checkpoint.position.model_dump(mode="json"))


def _named(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """All tensors of a checkpoint, by one name each."""
    tensors = {_MODEL + name: tensor for name, tensor in checkpoint.model.items()}
    return tensors | {_OPTIMIZER + name: tensor for name, tensor in checkpoint.optimizer.items()}


def load_checkpoint(path: Path, identity: str, steps: range | None = None) -> Checkpoint | None:
    """The newest whole checkpoint of the work called `identity`, or None; with `steps`, only one at such a step.

    A damaged file is logged, renamed to `<name>.damaged`, and the previous checkpoint is used instead.
    """
    for candidate in (path, previous_path(path)):
        if not candidate.exists():
            continue
        try:
            if steps is not None and _position(read_header(candidate), candidate).step not in steps:
                return None
            checkpoint = _read(candidate)
        except InputError as error:  # damaged, or a file that cannot be read
            _set_aside(candidate, error)
            continue
        return checkpoint if checkpoint.position.identity == identity else None
    return None


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint and the one before it."""
    path.unlink(missing_ok=True)
    previous_path(path).unlink(missing_ok=True)


def _read(path: Path) -> Checkpoint:
    file = read_tensors(path)
    position = _position(file.header, path)
    return Checkpoint(position, _group(file.tensors, _MODEL), _group(file.tensors, _OPTIMIZER))


def _position(header: JsonValue, path: Path) -> Position:
    try:
        return Position.model_validate(header)
    except ValidationError:
        raise DamagedFileError(InputError.one("this is not a checkpoint", where=str(path)).problems) from None


def _group(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _set_aside(path: Path, error: InputError) -> None:
    damaged = path.with_name(path.name + ".damaged")
    discard(damaged)
    path.replace(damaged)
    fsync_folder(path.parent)
    _LOG.warning("%s It is kept as %s; the checkpoint before it is used.", error, damaged.name)
