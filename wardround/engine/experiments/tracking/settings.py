"""A study's settings as one flat table of plain values, which is what trackers show side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pydantic import JsonValue

from wardround.engine.experiments.tracking.tracker import SettingValue
from wardround.engine.study import Study

_PLAIN = re.compile(r"[\w-]+")
_SHORT = 500
"""Characters of a list that is shown as one text; MLflow takes 6000."""


def settings_of(study: Study) -> dict[str, SettingValue]:
    """Each setting under its way through the study, as `training.loss.name`; what is left open is left out."""
    return dict(_flat("", study.model_dump(mode="json", by_alias=True)))


def _flat(way: str, value: JsonValue) -> Iterator[tuple[str, SettingValue]]:
    if value is None or value == [] or value == {}:
        return
    if isinstance(value, dict) and all(_PLAIN.fullmatch(key) for key in value):
        for key, each in value.items():
            yield from _flat(f"{way}.{key}" if way else key, each)
    elif isinstance(value, list) and not _is_one_text(value):
        for place, each in enumerate(value):
            yield from _flat(f"{way}.{place}", each)
    elif isinstance(value, dict | list):
        yield way, json.dumps(value, ensure_ascii=False)
    else:
        yield way, value


def _is_one_text(values: list[JsonValue]) -> bool:
    plain = all(not isinstance(each, dict | list) for each in values)
    return plain and len(json.dumps(values, ensure_ascii=False)) <= _SHORT
