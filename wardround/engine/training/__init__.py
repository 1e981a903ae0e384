"""The loop, schedules, optimisers, checkpoints, exact resume."""

from wardround.engine.training.checkpoint import (
    Checkpoint,
    CheckpointPlan,
    Position,
    load_checkpoint,
    remove_checkpoint,
    save_checkpoint,
)
from wardround.engine.training.hooks import NO_HOOK, StepHook
from wardround.engine.training.late import DivergedError, StepRecord
from wardround.engine.training.learner import Halted, Learner
from wardround.engine.training.machine import Machine, this_machine
from wardround.engine.training.precision import configure_threads, resolve_device
from wardround.engine.training.weights import DamagedFileError, read_header, read_tensors, write_tensors

__all__ = [
    "NO_HOOK",
    "Checkpoint",
    "CheckpointPlan",
    "DamagedFileError",
    "DivergedError",
    "Halted",
    "Learner",
    "Machine",
    "Position",
    "StepHook",
    "StepRecord",
    "configure_threads",
    "load_checkpoint",
    "read_header",
    "read_tensors",
    "remove_checkpoint",
    "resolve_device",
    "save_checkpoint",
    "this_machine",
    "write_tensors",
]
