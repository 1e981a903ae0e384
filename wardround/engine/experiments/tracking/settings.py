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
    inner = _inner(value)
    if inner is None:
        yield way, value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
        return
    for key, each in inner:
        if each is not None and each != [] and each != {}:
            yield from _flat(f"{way}.{key}" if way else key, each)


def _inner(value: JsonValue) -> list[tuple[str, JsonValue]] | None:
    """What a value is made of, under names; None for one that is shown as it is."""
    if isinstance(value, dict) and all(_PLAIN.fullmatch(key) for key in value):
        return [*value.items()]
    if isinstance(value, list) and not _is_one_text(value):
        return [(str(place), each) for place, each in enumerate(value)]
    return None


def _is_one_text(values: list[JsonValue]) -> bool:
    plain = all(not isinstance(each, dict | list) for each in values)
    return plain and len(json.dumps(values, ensure_ascii=False)) <= _SHORT
