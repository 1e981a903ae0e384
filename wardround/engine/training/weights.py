"""A network's weights as named CPU tensors, and as safetensors bytes with one JSON header and a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor, nn

from wardround.engine.basics.canonical import canonical_json
from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.problems import Findings, InputError, Problem

# One metadata key: the order of several is not fixed, and equal content must have equal bytes.
_HEADER = "wardround"
_OF_ANOTHER = "These weights are of another network: give some that were trained with this study's model and classes"


class DamagedFileError(InputError):
    """The file is truncated, altered or of another kind."""


@dataclass(frozen=True)
class TensorFile:
    """What a tensor file holds: named tensors, and a JSON header that describes them."""

    tensors: Mapping[str, Tensor]
    header: JsonValue


def copy_weights(network: nn.Module) -> dict[str, Tensor]:
    """A copy of all parameters and buffers on the CPU, in the order of `state_dict`."""
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in network.state_dict().items()}


def put_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load weights of `copy_weights`. Raises `InputError` with every name, shape or type that does not fit."""
    expected = network.state_dict()
    findings = Findings()
    for name in [*expected, *(name for name in weights if name not in expected)]:
        if name not in weights or name not in expected:
            findings.add(f"a tensor is {'missing' if name in expected else 'unknown'}", where=f"weights, {name}")
        elif _form(weights[name]) != _form(expected[name]):
            findings.add(
                "a tensor has the wrong form",
                where=f"weights, {name}",
                got=_form(weights[name]),
                expected=_form(expected[name]),
            )
    if findings.problems:
        raise InputError(replace(problem, remedy=_OF_ANOTHER) for problem in findings.problems)
    network.load_state_dict(dict(weights), strict=True)


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def tensors_digest(tensors: Mapping[str, Tensor], header: JsonValue) -> str:
    """SHA-256 over header, names, types, shapes and values, in the order of names."""
    digest = hashlib.sha256(canonical_json(header))
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"\x1f{name}\x1f{_form(tensor)}\x1f".encode())
        raw: Any = tensor.reshape(-1).view(torch.uint8).numpy()
        digest.update(raw)
    return digest.hexdigest()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: JsonValue) -> None:
    """Write a tensor file atomically: safetensors that anyone can read, whose metadata holds the header and digest."""
    content = {"digest": tensors_digest(tensors, header), "header": header}
    write_atomic(path, save(dict(tensors), metadata={_HEADER: canonical_json(content).decode()}))


def read_tensors(path: Path) -> TensorFile:
    """Read a tensor file and check its digest. Raises `DamagedFileError` (an `InputError`) unless it is whole."""
    with _readable(path):
        content = path.read_bytes()
        stated = _stated(path)
        tensors, header, digest = load(content), stated["header"], stated["digest"]
    if tensors_digest(tensors, header) != digest:
        raise _damaged(path, "its content does not have the digest that it states")
    return TensorFile(tensors, header)


def read_header(path: Path) -> JsonValue:
    """The header alone, unchecked: to decide whether a file is worth reading. Raises as `read_tensors` does."""
    with _readable(path):
        header: JsonValue = _stated(path)["header"]
    return header


def _stated(path: Path) -> Any:
    with safe_open(path, framework="pt") as handle:
        return json.loads((handle.metadata() or {})[_HEADER])


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "Check the name, and have its rights or its disk looked at"
        raise InputError.one(
            "the file cannot be read", where=str(path), got=error.strerror or "", remedy=remedy
        ) from None
    except (SafetensorError, KeyError, TypeError, ValueError):
        raise _damaged(path, "it is not a complete tensor file") from None


def _damaged(path: Path, reason: str) -> DamagedFileError:
    remedy = "Restore it from a copy, or make it again"
    return DamagedFileError([Problem("the file is damaged", where=str(path), got=reason, remedy=remedy)])
