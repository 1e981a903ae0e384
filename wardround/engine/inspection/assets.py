"""Whether the files that a study needs are where a command or a site file says, and are those that it means."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from wardround.engine.basics.problems import Findings, InputError, Problem, did_you_mean
from wardround.engine.study import Study
from wardround.engine.study.assets import Asset

_OTHERS = (
    "Only safetensors files are read, which hold numbers and no code: where `torch.load` reads this one, save its "
    "tensors with `safetensors.torch.save_file`"
)


def require_assets(study: Study, places: Mapping[str, Path]) -> None:
    """Raise `InputError` with every asset of a study that has no place, cannot be read, is another file or holds no
    tensors, and with every name that the study has no asset of. Loads no torch."""
    findings, needed = Findings(), study.assets
    for name in places:
        if name not in {asset.asset for asset in needed.values()}:
            findings.extend([_unknown(name, study)])
    for key, asset in needed.items():
        with findings.gather():
            _require(asset, places.get(asset.asset), key)
    findings.raise_if_any()


def _unknown(name: str, study: Study) -> Problem:
    known = [asset.asset for asset in study.assets.values()]
    remedy = did_you_mean(name, known) if known else "Leave it out, or name the asset in the study: `training.start`"
    return Problem("the study needs no asset of this name", where=f"asset {name}", remedy=remedy)


def _require(asset: Asset, path: Path | None, key: str) -> None:
    if path is None:
        raise InputError.one(
            f"nothing says where the asset {asset.asset!r} lies",
            where=key,
            expected=f"a file with the SHA-256 {asset.sha256[:12]}...",
            remedy=f"Give `--asset {asset.asset}=PATH`, or name it under `assets` of a site file",
        )
    found = _digest(asset, path)
    if found != asset.sha256:
        raise InputError.one(
            "this is not the file that the study names",
            where=f"asset {asset.asset}, {path}",
            got=f"SHA-256 {found}",
            expected=asset.sha256,
            remedy=f"Get the file that the study's author used. If this one is meant, write its SHA-256 under {key}",
        )
    try:
        with safe_open(path, framework="numpy") as file:
            empty = not [*file.keys()]
    except (SafetensorError, OSError):
        empty = True
    if empty:
        raise InputError.one("this file holds no tensors", where=f"asset {asset.asset}, {path}", remedy=_OTHERS)


def _digest(asset: Asset, path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError.one(
            "the asset cannot be read",
            where=f"asset {asset.asset}, {path}",
            got=error.strerror or "",
            expected="a safetensors file",
            remedy="Check the path and its rights",
        ) from None
