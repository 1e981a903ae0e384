"""`model` of a configuration as a network, and `patch_size`, which it has to fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from wardround.engine.interop.gandlf.notes import Notes
from wardround.engine.interop.gandlf.settings import Settings
from wardround.engine.interop.gandlf.uses import Use, use_of
from wardround.engine.parts import Part

_LEVELS, _FILTERS = 5, 32
_IGNORED = {
    "type": "torch alone trains; `wardround export` writes OpenVINO's form afterwards",
    "data_type": "of inference with OpenVINO; `wardround export` has its own precision",
    "save_at_every_epoch": "the best and the last weights are kept, no others",
    "ignore_label_validation": "every class is scored by itself, so that one can be looked past",
    "encoder_name": "the network keeps its own encoder; without weights from elsewhere",
    "pretrained": "weights of ImageNet are not fetched; the network begins anew",
    "converter_type": "2D networks are not turned into 3D ones; the network is 3D by itself",
}
_QUIET = ("print_summary", "num_classes", "amp")
"""Read elsewhere, or of no meaning for a study."""


def read_patch(config: Settings, model: Settings, notes: Notes) -> tuple[int, ...]:
    """`patch_size` with as many sides as the images have axes; a third side of 1 is GaNDLF's for a flat image."""
    sides = config.numbers("patch_size")
    axes = model.whole("dimension", 2 if len(sides) == 2 or _is_flat(sides) else 3)
    if axes not in (2, 3):
        notes.wrong("model.dimension", "images have 2 or 3 axes", axes, "2 or 3")
        return ()
    sides = sides * axes if len(sides) == 1 else sides[:2] if axes == 2 and _is_flat(sides) else sides
    if len(sides) != axes or not all(_is_whole(side) for side in sides):
        expected = f"{axes} whole numbers, or one for all"
        notes.wrong("patch_size", f"this is no patch of {axes} axes", config.take("patch_size"), expected)
        return ()
    return tuple(map(int, sides))


def _is_whole(side: float) -> bool:
    return side.is_integer() and side >= 1


def _is_flat(sides: Sequence[float]) -> bool:
    return len(sides) == 3 and sides[-1] == 1


def read_model(model: Settings, network: Part, patch: Sequence[int], notes: Notes) -> Use:
    """The network with the size that the configuration gives it."""
    name, fields = model.word("architecture").lower(), network.parameters.model_fields
    parameters: dict[str, Any] = {"dimensions": len(patch)}
    filters = model.whole("base_filters", _FILTERS)
    if "filters" in fields and name != "msdnet":
        parameters["filters"] = filters
    elif "base_filters" in model:
        notes.here("model.base_filters", f"`{network.name}` has a width of its own")
    parameters |= _variant(name, fields) | _norm(model, name, fields, notes)
    if "levels" in fields:
        parameters |= _levels(name, patch, filters or _FILTERS, notes)
    _tell_differences(name, model, notes)
    return use_of(network, parameters, "model", notes)


def _variant(name: str, fields: Any) -> dict[str, Any]:
    """`resnet18` says its depth, `efficientnetb0` its variant; a bare `vgg` or `densenet` is the deepest."""
    digits = re.search(r"\d+", name)
    if "variant" in fields:
        return {"variant": f"b{digits[0]}"} if digits else {}
    if "depth" in fields and not name.startswith("imagenet_unet"):
        return {"depth": int(digits[0]) if digits else {"vgg": 19, "densenet": 264}[name]}
    return {}


def _norm(model: Settings, name: str, fields: Any, notes: Notes) -> dict[str, Any]:
    norm = (model.word("norm_type") or "batch").lower()
    if "norm" not in fields:
        return {}
    if norm == "none":
        text = "every network here has norm layers; `group` depends on no other case of a batch"
        notes.here("model.norm_type", text)
        norm = "group"
    if norm not in ("batch", "instance", "group"):
        notes.wrong("model.norm_type", "this is no norm", norm, "batch or instance")
    return {"norm": norm}


def _levels(name: str, patch: Sequence[int], filters: int, notes: Notes) -> dict[str, Any]:
    """GaNDLF's depth: four halvings, three of deep ones, fewer where the patch does not allow as many."""
    wanted = _LEVELS - (name.startswith("deep"))
    levels = next((each for each in range(wanted, 2, -1) if not any(side % 2 ** (each - 1) for side in patch)), 2)
    if levels < wanted:
        notes.here("patch_size", f"it can be halved {levels - 1} times: the network has {levels} levels")
    return {"levels": levels, **({"most_filters": filters} if name.startswith("light") and filters > 3 else {})}


def _tell_differences(name: str, model: Settings, notes: Notes) -> None:
    if name.endswith("_multilayer"):
        notes.here("model.architecture", "the sum over all levels of its decoder is left out: a U-Net of the same size")
    if name.startswith("imagenet_"):
        notes.here("model.architecture", "weights of ImageNet are not fetched; the network begins anew")
    if name.startswith("efficientnet"):
        text = "its efficientnetb0 has 165 million parameters, that of its authors 5.3 million, as here"
        notes.there("model.architecture", text)
    if name == "dynunet":
        notes.here("model.architecture", "kernels and strides follow the patch: a U-Net of the same depth")
    for key, text in _IGNORED.items():
        if model.take(key) not in (None, False, "torch"):
            notes.here(f"model.{key}", text)
    model.take(*_QUIET)
    model.tell_unread()
