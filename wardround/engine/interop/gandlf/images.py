"""`data_preprocessing` of a configuration as steps, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wardround.engine.interop.gandlf.settings import Settings
from wardround.engine.interop.gandlf.uses import Use, parts_called, tell_unknown, use_of
from wardround.engine.parts import Kind, Part, builtin_and_plugins

_COLOURS = frozenset({"rgba2rgb", "rgbatorgb", "rgba_to_rgb", "rgb2rgba", "rgbtorgba", "rgb_to_rgba"})
_RESIZED = ("resize", "resize_image", "resize_images", "resize_patch")
_WITHIN = {"normalize_positive": "positive", "normalize_nonzero": "nonzero", "normalize_nonzero_masked": "nonzero"}
_STANDARD = {"mean": 127.5, "deviation": 127.5}
_WHITE = 255
_Parameters = dict[str, Any]
_Reader = Callable[[Settings, str, "Steps"], _Parameters]


class Steps:
    """Reads one step after the other."""

    def __init__(self, section: Settings, axes: int) -> None:
        self.section, self.axes = section, axes
        self.notes = section.notes

    def read(self) -> tuple[Use, ...]:
        """The steps; GaNDLF's first normalisation, which it runs last wherever it stands, last."""
        wanted = [key for key in self.section.keys if self._is_wanted(key)]
        norms = [key for key in wanted if _is_norm(key)]
        self._tell_order(wanted, norms)
        ordered = [*(key for key in wanted if key not in norms), *norms[:1]]
        return tuple(use for key in ordered for use in self._step(key))

    def _is_wanted(self, key: str) -> bool:
        if key.lower() in _COLOURS:
            self.section.take(key)
            self.notes.here(self.section.place(key), "it is left out: `check` says of each file whose channels differ")
            return False
        if not parts_called(Kind.PREPROCESSING, key):
            tell_unknown(Kind.PREPROCESSING, key, "data_preprocessing", self.notes)
            return False
        return True

    def _tell_order(self, wanted: list[str], norms: list[str]) -> None:
        for key in norms[1:]:
            text = f"only the first normalisation is applied, `{norms[0]}`; this one is left out, without a word"
            self.notes.there(self.section.place(key), text)
        if norms and wanted[-1] not in norms:
            text = "it is applied after all other steps, wherever it stands; the study says so by its place"
            self.notes.there(self.section.place(norms[0]), text)
        if "resample" in wanted and any(key in _RESIZED for key in wanted):
            text = "beside `resample` it is left out, with a warning; the study has both: take out what you do not mean"
            self.notes.there(self.section.place(next(key for key in wanted if key in _RESIZED)), text)

    def _step(self, key: str) -> tuple[Use, ...]:
        part = parts_called(Kind.PREPROCESSING, key)[0]
        reader = _READERS.get(key.lower(), _plain)
        parameters = reader(self.section, key, self)
        name = parameters.pop("part", part.name)
        row = part if name == part.name else _row(name)
        return (use_of(row, parameters, self.section.place(key), self.notes),)

    def sides(self, key: str, section: Settings) -> list[int | float]:
        """A number for each axis of the images."""
        found = section.numbers(key)
        found = found * self.axes if len(found) == 1 else found
        if len(found) == 3 and self.axes == 2:
            found = found[:2]
        if len(found) != self.axes:
            expected = f"{self.axes} numbers, one for each axis"
            self.notes.wrong(section.place(key), "this does not fit the axes of the images", list(found), expected)
        return [int(each) if each.is_integer() else each for each in found]


def _row(name: str) -> Part:
    return builtin_and_plugins().find(Kind.PREPROCESSING, name)


def _is_norm(key: str) -> bool:
    return "normalize" in key.lower() and key.lower() != "stain_normalization"


def _plain(section: Settings, key: str, steps: Steps) -> _Parameters:
    section.take(key)
    if key.lower() in ("crop_external_zero_planes",):
        text = "it is applied in training alone, so that predictions see other images than training did"
        steps.notes.there(section.place(key), text)
    return {}


def _between(section: Settings, key: str, steps: Steps) -> _Parameters:
    bounds = section.section(key)
    low, high = bounds.number("min"), bounds.number("max")
    bounds.tell_unread()
    if low is None and high is None:
        steps.notes.wrong(section.place(key), "the bounds are missing", None, "`min` and `max`")
    elif low is None:
        text = "without `min` it takes the least positive number, about 2e-308, so that negative values are lost"
        steps.notes.there(section.place(key), text)
    if key.lower() != "threshold" and (low is None) != (high is None):
        steps.notes.wrong(section.place(key), "one of the bounds is missing", None, "both `min` and `max`")
    return {name: value for name, value in (("low", low), ("high", high)) if value is not None or name == "low"}


def _norm(section: Settings, key: str, steps: Steps) -> _Parameters:
    section.take(key)
    if key.lower().endswith("masked"):
        steps.notes.here(
            section.place(key), "what is not 0 is taken, and no mask is asked, for none is there to predict"
        )
    within = _WITHIN.get(key.lower())
    return {"within": within} if within else {}


def _by_value(section: Settings, key: str, steps: Steps) -> _Parameters:
    if key.lower() == "normalize_standardize":
        section.take(key)
        return dict(_STANDARD)
    values = section.section(key)
    mean, spread = values.numbers("mean"), values.numbers("std")
    if not mean or not spread:
        steps.notes.wrong(section.place(key), "`mean` or `std` is missing", None, "a list of numbers for each")
    # GaNDLF divides by 255 before it takes these.
    return {"mean": [each * _WHITE for each in mean], "deviation": [each * _WHITE for each in spread]}


def _rescale(section: Settings, key: str, steps: Steps) -> _Parameters:
    values = section.section(key)
    out, source, percentiles = (values.numbers(name) for name in ("out_min_max", "in_min_max", "percentiles"))
    values.tell_unread()
    if values.keys and not source:
        text = (
            "without `in_min_max` it takes values from 15 to 125 for the whole range, silently; here it is the image's"
        )
        steps.notes.there(section.place(key), text)
    found: _Parameters = {"percentiles": list(percentiles or (5, 95))} if not source else {"source": list(source)}
    for name, pair in (("out_min_max", out), ("in_min_max", source), ("percentiles", percentiles)):
        if pair and len(pair) != 2:
            steps.notes.wrong(f"{section.place(key)}.{name}", "these are no bounds", list(pair), "two numbers")
    return {**found, **({"low": out[0], "high": out[1]} if len(out) == 2 else {})}


def _crop(section: Settings, key: str, steps: Steps) -> _Parameters:
    found = section.numbers(key)
    if len(found) == 6:
        return {
            "before": [int(each) for each in found[: 2 * steps.axes : 2]],
            "after": [*map(int, found[1 : 2 * steps.axes : 2])],
        }
    sides = steps.sides(key, section)
    return {"before": sides, "after": sides}


def _size(section: Settings, key: str, steps: Steps) -> _Parameters:
    return {"size": steps.sides(key, section)}


def _resample(section: Settings, key: str, steps: Steps) -> _Parameters:
    values = section.section(key)
    if "resolution" not in values:
        steps.notes.wrong(section.place(key), "the resolution is missing", values.keys, "`resolution` in mm")
        return {"spacing": [1] * steps.axes}
    return {"spacing": steps.sides("resolution", values)}


def _resample_min(section: Settings, key: str, steps: Steps) -> _Parameters:
    values = section.section(key)
    found = {*values.numbers("resolution")}
    if len(found) > 1:
        text = "one spacing holds for all axes, the least of those listed"
        steps.notes.here(section.place(key), text)
    return {"spacing": min(found)} if found else {}


def _matching(section: Settings, key: str, steps: Steps) -> _Parameters:
    target = section.section(key).take("target")
    if target is None:
        return {"part": "histogram_equalization"}
    if str(target).lower() == "adaptive":
        return {"part": "adaptive_histogram_equalization"}
    text = "no image leaves its hospital to be a target: landmarks are learned from the training cases (Nyul) instead"
    steps.notes.here(section.place(key), text)
    return {"part": "nyul"}


def _stains(section: Settings, key: str, steps: Steps) -> _Parameters:
    values = section.section(key)
    method = values.word("extractor").lower() or "ruifrok"
    text = "stains are never normalised, whatever the configuration says, and nobody is told; here they are"
    steps.notes.there(section.place(key), text)
    if values.take("target") is not None:
        steps.notes.here(section.place(key), "no image is the target: the step has usual stains, which it can be given")
    return {"method": method}


_READERS: Mapping[str, _Reader] = {
    **dict.fromkeys(("threshold", "clip", "clamp"), _between),
    **dict.fromkeys(("normalize", *_WITHIN), _norm),
    **dict.fromkeys(("normalize_by_val", "normalize_standardize"), _by_value),
    **dict.fromkeys((*_RESIZED, "centercrop"), _size),
    **dict.fromkeys(("resample_min", "resample_minimum"), _resample_min),
    "rescale": _rescale,
    "crop": _crop,
    "resample": _resample,
    "histogram_matching": _matching,
    "stain_normalization": _stains,
}
