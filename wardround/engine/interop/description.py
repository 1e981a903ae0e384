"""`dataset.json` as nnU-Net and the Medical Segmentation Decathlon write it.

Of nnU-Net's second version: `channel_names`, `labels` by name, each a number or a list of numbers that make a region,
`regions_class_order`, `file_ending`. Of its first version and of the Decathlon: `modality`, `labels` by number, and the
files of each case under `training` (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z; Antonelli et al. 2022,
doi:10.1038/s41467-022-30695-9).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.reading import read_named
from wardround.engine.study.labels import BACKGROUND, LARGEST_VALUE
from wardround.engine.study.names import plain_name

FILE = "dataset.json"
IGNORE = "ignore"
_MOST_BYTES = 64 << 20
_USUAL_ENDING = ".nii.gz"
_MOST_CHANNELS = 64


@dataclass(frozen=True)
class Description:
    """What a data set says of itself.

    Attributes:
        name: of the data set; empty where it has none.
        channels: names in order.
        labels: values of each structure but the background; several where structures overlap.
        ignored: the value of voxels that do not count; None where all do.
        order: values that nnU-Net paints regions with, in order; empty where classes are predicted.
        ending: of every file.
        training: entries for cases with masks; None where the folders alone say which there are.
        test: those without.
        counts: how many cases it says that there are, by the folder of their images.
        renamed: names that a study cannot have, with those that stand for them.
    """

    name: str
    channels: tuple[str, ...]
    labels: Mapping[str, tuple[int, ...]]
    ignored: int | None
    order: tuple[int, ...]
    ending: str
    training: tuple[Entry, ...] | None
    test: tuple[str, ...] | None
    counts: Mapping[str, int]
    renamed: Mapping[str, str]

    @property
    def has_regions(self) -> bool:
        """Whether structures may overlap."""
        return any(len(values) > 1 for values in self.labels.values())


@dataclass(frozen=True)
class Entry:
    """A case as the file lists it: paths relative to it, as written. `images` are one for each channel, or one."""

    images: tuple[str, ...]
    label: str


def read_description(folder: Path) -> Description:
    """Read a data set's `dataset.json`. Raises `InputError` with everything that is wrong with it."""
    path = folder / FILE
    content, findings = _content(path), Findings()
    reader = _Reader(content, findings)
    channels, labels = reader.channels(), reader.labels()
    training, test = reader.training(), reader.test()
    description = Description(
        name=str(content.get("name", "")) if isinstance(content.get("name", ""), str) else "",
        channels=channels,
        labels=labels.structures,
        ignored=labels.ignored,
        order=reader.order(labels),
        ending=reader.ending(),
        training=training,
        test=test,
        counts=reader.counts(),
        renamed=reader.renamed,
    )
    findings.raise_if_any()
    return description


def _content(path: Path) -> dict[str, Any]:
    text = read_named(path, "dataset.json", _MOST_BYTES)
    try:
        content = json.loads(text.decode("utf-8-sig"), parse_constant=_no_number)
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


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number in JSON")


@dataclass(frozen=True)
class _Labels:
    structures: Mapping[str, tuple[int, ...]]
    ignored: int | None = None


class _Reader:
    """Reads one key after the other, and notes what is wrong."""

    def __init__(self, content: Mapping[str, Any], findings: Findings) -> None:
        self._content, self._findings = content, findings
        self.renamed: dict[str, str] = {}

    def channels(self) -> tuple[str, ...]:
        """Names of the channels by their numbers, which begin at 0 and leave none out."""
        key = "channel_names" if "channel_names" in self._content else "modality"
        found = self._content.get(key)
        if not isinstance(found, dict) or not found:
            self._tell(key, "the channels are missing", _shown(found), 'names by number, such as {"0": "T1"}')
            return ()
        wanted = [str(number) for number in range(len(found))]
        if sorted(found) != sorted(wanted) or len(found) > _MOST_CHANNELS:
            told = f"{', '.join(wanted[:3])} and so on, {_MOST_CHANNELS} at most"
            self._tell(key, "a channel is missing", f"the numbers {', '.join(map(str, found))}", told)
            return ()
        return tuple(self._unlike([self._name(key, found[number]) for number in wanted]))

    def labels(self) -> _Labels:
        """Structures by name, in the order of the file, without the background and what is ignored."""
        found = self._content["labels"]
        if not isinstance(found, dict) or not found:
            self._tell("labels", "the labels are missing", _shown(found), '{"background": 0, "tumour": 1}')
            return _Labels({})
        pairs = [self._pair(key, value) for key, value in found.items()]
        read = [(name, values) for name, values in pairs if values]
        if not any(values == (0,) for _, values in read):
            expected = "0, which is the background"
            self._tell("labels", "no label is the background", _shown(found), expected, "Add `background` with 0")
        ignored = [values for name, values in read if name.lower() == IGNORE]
        structures = [(name, values) for name, values in read if values != (0,) and name.lower() != IGNORE]
        self._require_sound(structures, ignored)
        named = [self._name("labels", name) for name, _ in structures]
        self._require_unlike(named)
        values = [values for _, values in structures]
        return _Labels(dict(zip(named, values, strict=True)), ignored[0][0] if ignored else None)

    def _pair(self, key: str, value: Any) -> tuple[str, tuple[int, ...]]:
        """Name and values, whichever of the two is the key."""
        name, values = (str(value), key) if isinstance(value, str) else (key, value)
        try:
            listed = [int(each) for each in (values if isinstance(values, list) else [values])]
            exact = not any(isinstance(each, bool | float) for each in (values if isinstance(values, list) else []))
        except (TypeError, ValueError, OverflowError):
            listed, exact = [], False
        if (
            not listed
            or not exact
            or isinstance(values, bool | float)
            or not all(0 <= each <= LARGEST_VALUE for each in listed)
        ):
            expected = f"a whole number from 0 to {LARGEST_VALUE:,}, or a list of such"
            self._tell(f"labels.{key}", "this is no label", _shown(value), expected)
            return name, ()
        return name, tuple(dict.fromkeys(listed))

    def _require_sound(self, structures: Sequence[tuple[str, tuple[int, ...]]], ignored: Sequence[Any]) -> None:
        if not structures:
            self._tell("labels", "there is nothing but background", _shown(self._content["labels"]), "a structure")
        if len(ignored) > 1 or any(len(values) > 1 for values in ignored):
            self._tell(f"labels.{IGNORE}", "one value alone is ignored", _shown(ignored), "a number")
        both = {value for values in ignored for value in values} & {each for _, own in structures for each in own}
        if both:
            got = ", ".join(map(str, sorted(both)))
            self._tell(f"labels.{IGNORE}", "what is ignored is a structure too", got, "a value of its own")
        for name, values in structures:
            if 0 in values:
                what = "the background is no part of a structure"
                self._tell(f"labels.{name}", what, _shown(list(values)), "1 or more", "Take the 0 out")
        if all(len(values) == 1 for _, values in structures):
            taken: dict[int, str] = {}
            for name, values in structures:
                if taken.setdefault(values[0], name) != name:
                    what = f"two labels have the same value: {taken[values[0]]!r} and {name!r}"
                    self._tell(f"labels.{name}", what, str(values[0]), "a value of its own for each")

    def order(self, labels: _Labels) -> tuple[int, ...]:
        """`regions_class_order`, one value for each region."""
        found = self._content.get("regions_class_order")
        regions = any(len(values) > 1 for values in labels.structures.values())
        if found is None or not regions:
            return ()
        whole = isinstance(found, list) and all(type(each) is int for each in found)
        if not whole or len(found) != len(labels.structures):
            expected = f"{len(labels.structures)} values, one for each region"
            self._tell("regions_class_order", "the order of painting does not fit the regions", _shown(found), expected)
            return ()
        return tuple(found)

    def ending(self) -> str:
        """The ending that all files have."""
        found = self._content.get("file_ending", _USUAL_ENDING)
        if not isinstance(found, str) or not found.startswith(".") or "/" in found or "\\" in found:
            self._tell("file_ending", "this is no ending of a file", _shown(found), "such as `.nii.gz`")
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
            self._tell(key, "the cases are not listed", _shown(found), 'a list of {"image": ..., "label": ...}')
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
                self._tell(f"{key}.{number}", "this case has no image or no mask", _shown(each), expected)

    def test(self) -> tuple[str, ...] | None:
        """The images without masks."""
        found = self._content.get("test")
        if found is None:
            return None
        listed = found if isinstance(found, list) else [found]
        paths = [each.get("image") if isinstance(each, dict) else each for each in listed]
        for number, path in enumerate(paths):
            if not isinstance(path, str) or not path:
                self._tell(f"test.{number}", "this is no path of an image", _shown(listed[number]), "a path")
        return tuple(path for path in paths if isinstance(path, str) and path)

    def counts(self) -> dict[str, int]:
        """How many cases the file announces."""
        found = {}
        for key, folder in (("numTraining", "imagesTr"), ("numTest", "imagesTs")):
            count = self._content.get(key)
            if type(count) is int:
                found[folder] = count
            elif count is not None:
                self._tell(key, "this is no number of cases", _shown(count), "a whole number")
        return found

    def _name(self, key: str, found: Any) -> str:
        plain = plain_name(str(found)) if isinstance(found, str) else ""
        if not plain or plain.lower() == BACKGROUND:
            self._tell(key, "this is no name", _shown(found), "a name of letters and digits")
            return ""
        if plain != found:
            self.renamed[str(found)] = plain
        return plain

    def _unlike(self, names: Sequence[str]) -> Iterator[str]:
        """Names of channels, of which nnU-Net lets several be the same."""
        for place, name in enumerate(names):
            if name and names.count(name) > 1:
                self.renamed[f"{name} (channel {place})"] = f"{name}-{place}"
                yield f"{name}-{place}"
            else:
                yield name

    def _require_unlike(self, names: Sequence[str]) -> None:
        for name in dict.fromkeys(name for name in names if name and names.count(name) > 1):
            self._tell("labels", f"two labels have the same name {name!r}", name, "a name of its own for each")

    def _tell(self, key: str, what: str, got: str, expected: str, remedy: str = "") -> None:
        self._findings.add(what, where=f"{FILE}, {key}", got=got, expected=expected, remedy=remedy)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return "nothing" if value is None else text if len(text) <= 120 else f"{text[:117]}..."
