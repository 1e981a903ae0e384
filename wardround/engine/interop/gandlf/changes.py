"""`data_augmentation` of a configuration as augmentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wardround.engine.interop.gandlf.notes import Notes
from wardround.engine.interop.gandlf.settings import Settings
from wardround.engine.interop.gandlf.uses import Use, parts_called, tell_unknown, use_of
from wardround.engine.parts import Kind

_COMMON = "default_probability"
_PROBABILITY = 0.5
_Parameters = dict[str, Any]
_Reader = Callable[[Settings, int], _Parameters]
_ELASTIC = 1.0


def read_augmentation(found: Any, axes: int, notes: Notes) -> tuple[Use, ...]:
    """The transforms in order; `affine` and `elastic` are one, for one interpolation serves both."""
    section = Settings(_as_mapping(found), "data_augmentation", notes)
    common = section.number(_COMMON, _PROBABILITY)
    names = [key for key in section.keys if key != _COMMON]
    uses: dict[str, Use] = {}
    for name in names:
        parts = parts_called(Kind.AUGMENTATION, name)
        if not parts:
            tell_unknown(Kind.AUGMENTATION, name, "data_augmentation", notes)
            continue
        own = section.section(name)
        chance = own.number("probability", common) or 0.0
        parameters = _READERS.get(name.lower(), _nothing)(own, axes)
        own.tell_unread(("patch_size",))
        for part in parts:
            earlier = uses[part.name].parameters if part.name in uses else {}
            # `elastic` alone turns and scales nothing; behind `affine` it leaves alone what that does.
            merged = {**parameters, **earlier} if name.lower() == "elastic" else {**earlier, **parameters}
            merged["probability"] = chance / len(parts)
            uses[part.name] = use_of(part, merged, f"data_augmentation.{name}", notes)
    if uses:
        text = "whole images are changed, before they are resampled and normalised; here patches are, after both"
        notes.there("data_augmentation", text)
    _tell_together(names, notes)
    return tuple(uses.values())


def _tell_together(names: list[str], notes: Notes) -> None:
    if {"affine", "elastic"} <= {name.lower() for name in names}:
        text = "`affine` and `elastic` are one transform here, with one interpolation and the probability of the latter"
        notes.here("data_augmentation", text)


def _as_mapping(found: Any) -> Any:
    """A list of names, or of names with parameters, as keys."""
    if not isinstance(found, list):
        return found
    pairs = [each.items() if isinstance(each, Mapping) else [(each, None)] for each in found]
    return {str(key): value for pair in pairs for key, value in pair}


def _nothing(own: Settings, axes: int) -> _Parameters:
    return {}


def _affine(own: Settings, axes: int) -> _Parameters:
    scales, turned = own.numbers("scales") or (0.1,), own.numbers("degrees") or (15.0,)
    scale = [1 - scales[0], 1 + scales[0]] if len(scales) == 1 else [min(scales), max(scales)]
    moved = own.numbers("translation") or (2.0,)
    if max(len(turned), len(moved)) > 1:
        own.notes.here(own.place("degrees"), "one range holds for all axes, the widest of those listed")
    return {"rotation": max(map(abs, turned)), "scale": scale, "translation": max(map(abs, moved))}


def _elastic(own: Settings, axes: int) -> _Parameters:
    if any(key in own for key in ("max_displacement", "num_control_points", "locked_borders")):
        text = "its grid of control points is not carried over: set `elastic` and `control_spacing` of `spatial`"
        own.take("max_displacement", "num_control_points", "locked_borders")
        own.notes.here("data_augmentation.elastic", text)
    return {"rotation": 0, "scale": [1, 1], "elastic": _ELASTIC}


def _moved(own: Settings, axes: int) -> _Parameters:
    own.take("interpolation")
    times = own.whole("num_transforms", 2)
    turned, moved = own.numbers("degrees") or (15.0,), own.numbers("translation") or (2.0,)
    return {"rotation": max(map(abs, turned)), "translation": max(map(abs, moved)), "movements": [times, times]}


def _blur(own: Settings, axes: int) -> _Parameters:
    found = own.numbers("std")
    return {"sigma": _range(found)} if found else {}


def _noise(own: Settings, axes: int) -> _Parameters:
    found, mean = own.numbers("std"), own.numbers("mean")
    if any(mean):
        own.notes.here(own.place("mean"), "noise has mean 0 here: `brightness` shifts intensities")
    if not found:
        text = "`std` is not given: 0 to 0.1 in normalised units, where GaNDLF takes 0 to 1 of the file's units"
        own.notes.here(own.place("std"), text)
        return {}
    own.notes.here(own.place("std"), "it counts in units of the normalised image, no longer in those of the file")
    return {"std": _range(found)}


def _noise_var(own: Settings, axes: int) -> _Parameters:
    return {**_noise(own, axes), "unit": "deviation"}


def _axes(own: Settings, axes: int) -> _Parameters:
    """Axes counted from 0; GaNDLF fills in all three, of a flat image too."""
    found = own.numbers("axis")
    chosen = sorted({int(each) for each in found if each.is_integer() and 0 <= each < axes})
    if found and not chosen:
        own.notes.wrong(own.place("axis"), "this is no axis", list(found), f"numbers from 0 to {axes - 1}")
    return {"axes": chosen} if found and len(chosen) < axes else {}


def _swap(own: Settings, axes: int) -> _Parameters:
    times = own.whole("num_iterations", 100)
    if times != 100:
        own.notes.there(own.place("num_iterations"), "100 pairs are swapped whatever the configuration says")
    return {"pairs": [times, times]}


def _coarse(own: Settings, axes: int) -> _Parameters:
    found, _ = own.numbers("downsampling") or (1.5,), own.take("axis")
    if found != (1.5,):
        own.notes.there(own.place("downsampling"), "1.5 is taken for every single number, whatever it is")
    return {"along": "one", "scale": [1 / max(1.0, *found), 1.0]}


def _colours(own: Settings, axes: int) -> _Parameters:
    given = {name: own.numbers(name) for name in ("brightness", "contrast", "saturation", "hue")}
    return {name: max(map(abs, found)) for name, found in given.items() if found}


def _range(found: tuple[float, ...]) -> list[float]:
    return [0.0, found[0]] if len(found) == 1 else list(found)


def _stains(own: Settings, axes: int) -> _Parameters:
    if any(key.endswith("_range") for key in own.keys):
        own.take(*own.keys)
        own.notes.here("data_augmentation.hed_transform", "its ranges are not carried over: set `factor` and `shift`")
    return {}


_READERS: Mapping[str, _Reader] = {
    "affine": _affine,
    "elastic": _elastic,
    "motion": _moved,
    "blur": _blur,
    "noise": _noise,
    "noise_var": _noise_var,
    "flip": _axes,
    "rotate_90": _axes,
    "rotate_180": _axes,
    "swap": _swap,
    "anisotropic": _coarse,
    "colorjitter": _colours,
    "hed_transform": _stains,
}
