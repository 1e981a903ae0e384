"""A study as a file that a person reads and that loads as the same study."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from wardround.engine.basics.files import write_atomic
from wardround.engine.study.models import Study


def write_study(path: Path, study: Study) -> None:
    """Write a study as `study_as_yaml` spells it."""
    write_atomic(path, study_as_yaml(study))


def study_as_yaml(study: Study) -> bytes:
    """A study as readable YAML that loads as the same study."""
    buffer = io.StringIO()
    writer = YAML()
    writer.default_flow_style = None
    writer.width = 110
    writer.dump(_readable(study), buffer)
    return buffer.getvalue().encode()


def _readable(study: Study) -> dict[str, Any]:
    """The study's plain values, each part spelt `name: parameters`, or `{name: ..., ...}` for single parts."""
    plain: dict[str, Any] = study.model_dump(mode="json", by_alias=True)
    for key in ("preprocessing", "augmentation"):
        plain[key] = [{use["name"]: use["parameters"]} for use in plain[key]]
    plain["validation"]["metrics"] = [{use["name"]: use["parameters"]} for use in plain["validation"]["metrics"]]
    plain["model"] = _flat(plain["model"])
    for key in ("loss", "optimizer", "schedule"):
        plain["training"][key] = _flat(plain["training"][key])
    return plain


def _flat(use: dict[str, Any]) -> dict[str, Any]:
    return {"name": use["name"], **use["parameters"]}
