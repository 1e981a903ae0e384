"""`dataset.json` as nnU-Net and the Medical Segmentation Decathlon write it.

Of nnU-Net's second version: `channel_names`, `labels` by name, each a number or a list of numbers that make a region,
`regions_class_order`, `file_ending`. Of its first version and of the Decathlon: `modality`, `labels` by number, and the
files of each case under `training` (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; Antonelli et al. 2022,
doi:10.1038/s41467-022-30695-9).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wardround.engine.basics.problems import InputError
from wardround.engine.basics.reading import read_named
from wardround.engine.interop.labels import Labels, read_labels
from wardround.engine.interop.notebook import FILE, Notebook, shown

_MOST_BYTES = 64 << 20
_USUAL_ENDING = ".nii.gz"
_MOST_CHANNELS = 64
_IN_A_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Description:
    """What a data set says of itself.

    Attributes:
        name: of the data set; empty where it has none.
        channels: names in order.
        labels: what the values of masks stand for.
        order: values that nnU-Net paints regions with, in order; empty where classes are predicted.
        ending: of every file.
        training: entries for cases with masks; None where the folders alone say which there are.
        test: those without.
        counts: how many cases it says that there are, by the folder of their images.
        renamed: names that a study cannot have, with those that stand for them.
    """

    name: str
    channels: tuple[str, ...]
    labels: Labels
    order: tuple[int, ...]
    ending: str
    training: tuple[Entry, ...] | None
    test: tuple[str, ...] | None
    counts: Mapping[str, int]
    renamed: Mapping[str, str]


@dataclass(frozen=True)
class Entry:
    """A case as the file lists it: paths relative to it, as written. `images` are one for each channel, or one."""

    images: tuple[str, ...]
    label: str


def read_description(folder: Path) -> Description:
    """Read a data set's `dataset.json`. Raises `InputError` with everything that is wrong with it."""
    path = folder / FILE
    content, notes = _content(path), Notebook()
    reader = _Reader(content, notes)
    channels, labels = reader.channels(), read_labels(content["labels"], notes)
    training, test = reader.training(), reader.test()
    description = Description(
        name=str(content.get("name", "")) if isinstance(content.get("name", ""), str) else "",
        channels=channels,
        labels=labels,
        order=reader.order(labels),
        ending=reader.ending(),
        training=training,
        test=test,
        counts=reader.counts(),
        renamed=notes.renamed,
    )
    notes.findings.raise_if_any()
    return description


def _content(path: Path) -> dict[str, Any]:
    text = read_named(path, "dataset.json", _MOST_BYTES)
    try:
        content = json.loads(text.decode("utf-8-sig"), parse_constant=_no_number, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        got, remedy = str(error).splitlines()[0], "Copy it again from where the data set comes from"
        raise InputError.one("this is no JSON", where=str(path), got=got, remedy=remedy) from None
    if not isinstance(content, dict) or "labels" not in content:
        raise InputError.one(
            "this is not the description of a data set",
            where=str(path),
            got=f"the keys {', '.join(map(str, content))}" if isinstance(content, dict) else type(content).__name__,
            expected="an object with `labels` and `channel_names` (nnU-Net), or `labels` and `modality` (Decathlon)",
        )
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number in JSON")


class _Reader:
    """Reads one key after the other, and notes what is wrong."""

    def __init__(self, content: Mapping[str, Any], notes: Notebook) -> None:
        self._content, self._notes = content, notes

    def channels(self) -> tuple[str, ...]:
        """Names of the channels by their numbers, which begin at 0 and leave none out."""
        key = "channel_names" if "channel_names" in self._content else "modality"
        found = self._content.get(key)
        if not isinstance(found, dict) or not found:
            self._notes.tell(key, "the channels are missing", shown(found), 'names by number, such as {"0": "T1"}')
            return ()
        wanted = [str(number) for number in range(len(found))]
        if sorted(found) != sorted(wanted) or len(found) > _MOST_CHANNELS:
            told = f"{', '.join(wanted[:3])} and so on, {_MOST_CHANNELS} at most"
            self._notes.tell(key, "a channel is missing", f"the numbers {', '.join(map(str, found))}", told)
            return ()
        return tuple(self._unlike([self._notes.name(key, found[number]) for number in wanted]))

    def order(self, labels: Labels) -> tuple[int, ...]:
        """`regions_class_order`, one value for each region."""
        found = self._content.get("regions_class_order")
        if found is None or not labels.has_regions:
            return ()
        whole = isinstance(found, list) and all(type(each) is int for each in found)
        if not whole or len(found) != len(labels.structures):
            expected = f"{len(labels.structures)} values, one for each region"
            self._notes.tell(
                "regions_class_order", "the order of painting does not fit the regions", shown(found), expected
            )
            return ()
        return tuple(found)

    def ending(self) -> str:
        """The ending that all files have."""
        found = self._content.get("file_ending", _USUAL_ENDING)
        if not isinstance(found, str) or not found.startswith(".") or not _IN_A_NAME.fullmatch(found):
            self._notes.tell("file_ending", "this is no ending of a file", shown(found), "such as `.nii.gz`")
            return _USUAL_ENDING
        return found

    def training(self) -> tuple[Entry, ...] | None:
        """The cases that are listed, in either way."""
        listed = self._content.get("training")
        if listed is None and isinstance(self._content.get("dataset"), dict):
            found = [*self._content["dataset"].values()]
            key, image = "dataset", "images"
        elif listed is None:
            return None
        else:
            found, key, image = listed, "training", "image"
        if not isinstance(found, list):
            self._notes.tell(key, "the cases are not listed", shown(found), 'a list of {"image": ..., "label": ...}')
            return ()
        return tuple(self._entries(found, key, image))

    def _entries(self, found: Sequence[Any], key: str, image: str) -> Iterator[Entry]:
        for number, each in enumerate(found):
            images = each.get(image) if isinstance(each, dict) else None
            paths: list[Any] = images if isinstance(images, list) else [images]
            label = each.get("label") if isinstance(each, dict) else None
            if paths and all(isinstance(path, str) and path for path in (*paths, label)):
                yield Entry(tuple(paths), str(label))
            else:
                expected = f'{{"{image}": ..., "label": ...}}'
                self._notes.tell(f"{key}.{number}", "this case has no image or no mask", shown(each), expected)

    def test(self) -> tuple[str, ...] | None:
        """The images without masks."""
        found = self._content.get("test")
        if found is None:
            return None
        listed = found if isinstance(found, list) else [found]
        paths = [each.get("image") if isinstance(each, dict) else each for each in listed]
        for number, path in enumerate(paths):
            if not isinstance(path, str) or not path:
                self._notes.tell(f"test.{number}", "this is no path of an image", shown(listed[number]), "a path")
        return tuple(path for path in paths if isinstance(path, str) and path)

    def counts(self) -> dict[str, int]:
        """How many cases the file announces."""
        found = {}
        for key, folder in (("numTraining", "imagesTr"), ("numTest", "imagesTs")):
            count = self._content.get(key)
            if type(count) is int:
                found[folder] = count
            elif count is not None:
                self._notes.tell(key, "this is no number of cases", shown(count), "a whole number")
        return found

    def _unlike(self, names: Sequence[str]) -> Iterator[str]:
        """Names of channels, of which nnU-Net lets several be the same."""
        for place, name in enumerate(names):
            if name and names.count(name) > 1:
                self._notes.renamed[f"{name} (channel {place})"] = f"{name}-{place}"
                yield f"{name}-{place}"
            else:
                yield name
