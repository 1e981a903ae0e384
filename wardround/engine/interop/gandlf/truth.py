"""Task, classes and inputs of a configuration. GaNDLF finds the task from the table, the last layer and the metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wardround.engine.basics.flaws import flow
from wardround.engine.interop.gandlf.notes import Notes
from wardround.engine.interop.gandlf.settings import Settings, as_number
from wardround.engine.interop.gandlf.uses import tell_unknown
from wardround.engine.parts import Kind, Part
from wardround.engine.study.labels import LARGEST_VALUE

_NUMBERS = frozenset({"regression", "none"})
_MOST_CHANNELS, _USUAL_CHANNELS = 64, 3
_CHANNELS = ("num_channels", "n_channels", "channels", "model_channels")


@dataclass(frozen=True)
class Truth:
    """What a study predicts.

    Attributes:
        task: its name.
        classes: value by name.
        regions: values by name, where structures overlap.
    """

    task: str
    classes: Mapping[str, list[int]]
    regions: Mapping[str, list[int]]

    def lines(self) -> Iterator[str]:
        """The keys of the study."""
        if self.regions:
            yield "# Labels overlap: a voxel lies in each region that lists its value."
            yield f"regions: {flow(_shortest(self.regions))}"
        elif self.task != "regression":
            yield "# GaNDLF has no names for classes: write what each stands for."
            yield f"classes: {flow(_shortest(self.classes))}"


def _shortest(named: Mapping[str, list[int]]) -> dict[str, int | list[int]]:
    return {name: values[0] if len(values) == 1 else values for name, values in named.items()}


def read_truth(model: Settings, network: Part | None, columns: Sequence[str], notes: Notes) -> Truth:
    """What is predicted. `columns` are those of the table; empty where none was named."""
    layer = str(model.take("final_layer") or "none").lower()
    task = _task(layer, network, columns)
    listed = _listed(model.take("class_list"), notes)
    if task == "regression":
        if len(listed) > 1:
            notes.here("model.class_list", "a regression has no classes; each number has a column of its own")
        return Truth(task, {}, {})
    if layer == "sigmoid":
        notes.here("model.final_layer", "classes shut each other out, so that their probabilities come from a softmax")
    named = _named(listed, task, notes)
    shared = [value for values in named.values() for value in values]
    return Truth(task, {}, named) if len(set(shared)) < len(shared) else Truth(task, named, {})


def _task(layer: str, network: Part | None, columns: Sequence[str]) -> str:
    serves_voxels = network is not None and "segmentation" in network.tasks
    has_values = any(name.lower().startswith("valuetopredict") for name in columns)
    if serves_voxels and not has_values:
        return "segmentation"
    return "regression" if layer in _NUMBERS else "classification"


def _listed(found: Any, notes: Notes) -> list[tuple[int, ...]]:
    """The values of each entry; GaNDLF writes `||` between values of one, and takes the list as a text too."""
    text = found.strip().strip("[]") if isinstance(found, str) else None
    entries: list[Any] = text.split(",") if text else list(found) if isinstance(found, list | tuple) else []
    if found is not None and not entries:
        notes.wrong("model.class_list", "these are no classes", found, "a list of whole numbers, such as [0, 1]")
    values = [_values(entry) for entry in entries]
    for entry, each in zip(entries, values, strict=True):
        if not each:
            expected = f"a whole number from 0 to {LARGEST_VALUE:,}, or several with || between them"
            notes.wrong("model.class_list", "this is no class", entry, expected)
    return [each for each in values if each]


def _values(entry: Any) -> tuple[int, ...]:
    """The values of an entry; none where it has others than whole numbers."""
    parts = re.split(r"\|\|", entry) if isinstance(entry, str) else [entry]
    numbers = [as_number(part.strip().strip("'\"") if isinstance(part, str) else part) for part in parts]
    whole = [int(each) for each in numbers if each is not None and each.is_integer() and 0 <= each <= LARGEST_VALUE]
    return tuple(dict.fromkeys(whole)) if len(whole) == len(parts) else ()


def _named(listed: Sequence[tuple[int, ...]], task: str, notes: Notes) -> dict[str, list[int]]:
    """Values by a name for each class; the background of masks has none."""
    if not listed:
        notes.wrong("model.class_list", "the classes are missing", None, "a list of numbers, such as [0, 1]")
    if len({*listed}) < len(listed):
        notes.wrong("model.class_list", "a class stands twice", [*map(list, listed)], "each class once")
    classes = _foreground(listed, notes) if task == "segmentation" else listed
    if listed and not classes:
        notes.wrong("model.class_list", "there is nothing but background", [0], "a class beside it")
    notes.there("model.class_list", _UNLISTED[task])
    return {f"class {'-'.join(map(str, values))}": list(values) for values in classes}


def _foreground(listed: Sequence[tuple[int, ...]], notes: Notes) -> list[tuple[int, ...]]:
    classes = [values for values in listed if values != (0,)]
    if len(classes) == len(listed):
        notes.here("model.class_list", "0 is not listed, and is the background here all the same")
    for values in classes:
        if 0 in values:
            notes.wrong("model.class_list", "the background is no part of a class", list(values), "1 or more")
    return classes


_UNLISTED = {
    "segmentation": "a value of the masks that is not listed is learned as nothing, and a class that no mask has is "
    "trained for: both end as success. Here `check` names either",
    "classification": "a value of the table that is not listed trains, and ends as success. Here `check` names its row",
}


def read_inputs(model: Settings, columns: Sequence[str], notes: Notes) -> tuple[str, ...]:
    """A name for each channel: as many as `num_channels` says, or as the table has columns."""
    tabled = sum(name.lower().startswith("channel") for name in columns)
    stated = _stated(model, notes)
    count = max(1, min(stated or tabled or _USUAL_CHANNELS, _MOST_CHANNELS))
    if tabled > 1 and tabled != count:
        expected = f"{tabled}, one for each column of the table"
        notes.wrong("model.num_channels", "the table has another number of channels", count, expected)
    if stated is None:
        whence = "the columns of the table" if tabled else "GaNDLF's default"
        notes.here("model.num_channels", f"it does not say how many channels there are; {count} is {whence}")
    return ("image",) if count == 1 else tuple(f"channel {number}" for number in range(count))


def _stated(model: Settings, notes: Notes) -> int | None:
    stated = next((model.whole(name) for name in _CHANNELS if name in model), None)
    model.take(*_CHANNELS)
    if stated is not None and not 1 <= stated <= _MOST_CHANNELS:
        notes.wrong("model.num_channels", "this is no number of channels", stated, f"1 to {_MOST_CHANNELS}")
    return stated


def read_network(model: Settings, parts: Sequence[Part], notes: Notes) -> Part | None:
    """The network that stands for `architecture`; None, and a finding, where none does."""
    name = model.word("architecture")
    if parts:
        return parts[0]
    missing = "the architecture is missing" if not name else ""
    if missing:
        notes.wrong("model.architecture", missing, None, "one of GaNDLF's, such as unet")
    else:
        tell_unknown(Kind.NETWORK, name, "model.architecture", notes)
    return None
