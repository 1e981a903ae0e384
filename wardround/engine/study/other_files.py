"""Which keys the four files have that people write, so that one in the wrong file can be told where it belongs.

The study's reader knows no model of the other rooms; a test holds these lists against the models.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

FILES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "study.yaml": {
            "": "schema study task modality inputs classes regions rest ignore targets columns dicom "
            "preprocessing augmentation patches model training validation inference seed",
            "training": "loss optimizer schedule epochs steps batch_size precision gradient_clip "
            "gradient_clip_mode accumulate ema validate_every patience start layout",
            "patches": "size per_case foreground padding class_weights balance",
            "validation": "outer_folds inner_folds metrics select",
            "inference": "overlap blend mirror batch_size postprocessing scales",
            "dicom": "uneven tilt burned_in",
        },
        "site.yaml": {
            "": "schema name manifest work device threads keys policy accepted address health_port answer_seconds "
            "checkpoint_seconds store_limit assets",
        },
        "policy.yaml": {
            "": "schema minimum_train_cases minimum_validation_cases tasks maximum_rounds maximum_steps metrics "
            "release allowance task_megabytes cohort_changes",
        },
        "federation.yaml": {
            "": "schema federation study address listen folders horizon strategy quorum deadline below_quorum "
            "on_decline grace patience preparing initial fold evaluation weights updates require keep_rounds "
            "health_port limits names",
            "folders": "keys state results roster",
            "horizon": "rounds local_steps",
            "evaluation": "final metrics test every max_cases",
            "weights": "by cap",
            "updates": "largest ceiling",
            "require": "patient_column",
            "limits": "slowest_line chunk reply trusted_proxies",
        },
    }
)
"""The keys of each section of each file; those of the file itself under the empty name."""
WHOSE: Mapping[str, str] = MappingProxyType(
    {
        "study.yaml": "study.yaml",
        "site.yaml": "each hospital's site.yaml",
        "policy.yaml": "each hospital's policy.yaml",
        "federation.yaml": "the coordinator's federation.yaml",
    }
)
"""What each file is called in a sentence."""


def file_with(keys: tuple[str, ...]) -> str:
    """The file that has exactly these keys; empty for none."""
    return next((name for name, sections in FILES.items() if set(sections[""].split()) == set(keys)), "")


def homes_elsewhere(key: str, here: str) -> tuple[str, ...]:
    """The files other than `here` in which a key is known, with its section; those that have it at the top first."""
    others = [name for name in FILES if name != here and here]
    found = {name: section for name in others if (section := _section(name, key)) is not None}
    ordered = sorted(found, key=lambda name: found[name] != "")
    return tuple(f"{WHOSE[name]}{f', under `{found[name]}`' if found[name] else ''}" for name in ordered)


def _section(name: str, key: str) -> str | None:
    return next((section for section, keys in FILES[name].items() if key in keys.split()), None)
