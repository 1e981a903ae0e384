"""Keys of a configuration that no part of a study stands for, with the reason of each."""

from __future__ import annotations

from collections.abc import Mapping

from wardround.engine.interop.gandlf.notes import Notes
from wardround.engine.interop.gandlf.settings import Settings

_QUIET = frozenset(
    {
        *("version", "verbose", "q_verbose", "q_max_length", "q_num_workers", "num_workers_dataloader"),
        *("prefetch_factor_dataloader", "pin_memory_dataloader", "pin_memory", "in_memory", "memory_save_mode"),
        *("track_memory_usage", "print_rgb_label_warning", "determinism", "accelerator", "previous_parameters"),
        *("problem_type", "save_output", "resume", "reset", "clip_mode", "patience"),
    }
)
"""Of how a machine is used: a study says nothing of it, and needs nothing."""
_TOLD: Mapping[str, str] = {
    "save_training": "patches of training are not written: `wardround preview` shows them",
    "medcam_enabled": "maps of attention are made of a trained model: `wardround explain`",
    "medcam": "maps of attention are made of a trained model: `wardround explain`",
    "parallel_compute_command": "folds are commands of their own, `--folds 0`, `--folds 1` ..., for any queue of jobs",
    "scaling_factor": "numbers are learned in units of their own spread, whatever they are multiplied by",
    "data_postprocessing": "predictions are written as the network gives them",
    "data_postprocessing_after_reverse_one_hot_encoding": "predictions are written as the network gives them",
    "enable_medcam": "maps of attention are made of a trained model: `wardround explain`",
    "opt": "options of the optimiser stand below `optimizer`",
    "auto_lr_find": "`wardround find` looks for a learning rate",
    "auto_batch_size_find": "`wardround find` looks for a batch size",
}


def tell_others(config: Settings, notes: Notes) -> None:
    """Note every key that is not carried over, with what stands for it here."""
    config.take(*_QUIET)
    for key, text in _TOLD.items():
        value = config.take(key)
        if value and not (key == "scaling_factor" and value == 1):
            notes.here(key, text)
    config.tell_unread()
