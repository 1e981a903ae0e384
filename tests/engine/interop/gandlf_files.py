"""Configurations as GaNDLF has them, and what becomes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from wardround.engine.basics.problems import InputError
from wardround.engine.interop.gandlf import Imported, import_gandlf
from wardround.engine.study import Study, load_study

SEGMENTATION: dict[str, Any] = {
    "version": {"minimum": "0.1.0", "maximum": "0.1.5"},
    "model": {
        "dimension": 3,
        "base_filters": 8,
        "architecture": "resunet",
        "norm_type": "instance",
        "final_layer": "softmax",
        "class_list": [0, 1, 4],
        "num_channels": 2,
        "amp": False,
    },
    "modality": "rad",
    "patch_size": [32, 32, 32],
    "loss_function": "dcce",
    "metrics": ["dice", "hd95_per_label", "sensitivity"],
    "num_epochs": 40,
    "patience": 10,
    "batch_size": 2,
    "learning_rate": "1e-3",
    "scheduler": {"type": "cosineannealing", "T_0": 10, "T_mult": 2},
    "optimizer": {"type": "sgd", "momentum": 0.9},
    "nested_training": {"testing": 5, "validation": -4, "stratified": True},
    "data_preprocessing": {
        "normalize_nonZero": None,
        "to_canonical": None,
        "clip": {"min": -100, "max": 300},
        "resample": {"resolution": [1, 1, 2]},
        "crop_external_zero_planes": None,
    },
    "data_augmentation": {
        "default_probability": 0.3,
        "affine": {"scales": 0.2, "degrees": 10},
        "elastic": {"probability": 0.4},
        "kspace": None,
        "flip": {"axis": [0]},
        "noise": {"std": [0, 0.2]},
    },
    "q_samples_per_volume": 4,
    "q_num_workers": 0,
    "patch_sampler": "label",
    "clip_grad": 1.0,
    "inference_mechanism": {"grid_aggregator_overlap": "average", "patch_overlap": 16},
    "differential_privacy": {"noise_multiplier": 1.5},
}
CLASSIFICATION: dict[str, Any] = {
    "model": {
        "dimension": 2,
        "architecture": "densenet169",
        "final_layer": "softmax",
        "class_list": "[0, 1]",
        "num_channels": 3,
    },
    "modality": "histo",
    "patch_size": 64,
    "loss_function": {"focal": {"gamma": 4.0}},
    "metrics": {"f1": None, "auroc": None},
    "nested_training": {"testing": 1, "validation": -4},
    "data_preprocessing": {"stain_normalization": {"extractor": "macenko", "target": "t.png"}},
}


def write(folder: Path, content: dict[str, Any], name: str = "config.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(yaml.safe_dump(content, sort_keys=False))
    return folder / name


def changed(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with other values at dotted keys; `...` takes a key out."""
    copied = json.loads(json.dumps(content))
    for place, value in changes.items():
        *above, key = place.split(".")
        inner = copied
        for each in above:
            inner = inner.setdefault(each, {})
        if value is ...:
            inner.pop(key, None)
        else:
            inner[key] = value
    return copied


def imported(folder: Path, content: dict[str, Any], **tables: Path) -> tuple[Study, Imported]:
    out = folder / "out" / "study.yaml"
    made = import_gandlf(write(folder, content), tables, out)
    return load_study(out), made


def refused(folder: Path, content: dict[str, Any]) -> str:
    with pytest.raises(InputError) as error:
        import_gandlf(write(folder, content), {}, folder / "out" / "study.yaml")
    assert not (folder / "out").exists(), "nothing is written"
    return str(error.value)


def said(made: Imported, key: str) -> str:
    return " ".join(note.sentence for note in made.notes if note.key == key)
