"""What tensors must be before they leave a site, and before an aggregator uses them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class GuardCode(StrEnum):
    """Which check failed."""

    NAMES = "names"
    SHAPE = "shape"
    DTYPE = "dtype"
    NOT_FINITE = "not_finite"


class GuardError(Exception):
    """Tensors that may not pass. `detail` may name a tensor of the *expected* schema, never text of a peer."""

    def __init__(self, code: GuardCode, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code.value}: {detail}")


@dataclass(frozen=True)
class TensorSpec:
    """Shape and numpy type name of one tensor."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Schema:
    """What a set of tensors must look like, by name."""

    tensors: Mapping[str, TensorSpec]

    @property
    def size(self) -> int:
        """Bytes of all numbers."""
        return sum(math.prod(spec.shape) * np.dtype(spec.dtype).itemsize for spec in self.tensors.values())


def describe(arrays: Mapping[str, np.ndarray]) -> Schema:
    """The schema that `arrays` have."""
    return Schema({name: TensorSpec(arrays[name].shape, arrays[name].dtype.name) for name in sorted(arrays)})


def check_update(arrays: Mapping[str, np.ndarray], schema: Schema) -> None:
    """Raise `GuardError` unless names, shapes and types are those of `schema` and every number is finite."""
    _check_names(arrays, schema)
    for name, spec in schema.tensors.items():
        _check_tensor(name, arrays[name], spec)


def _check_names(arrays: Mapping[str, np.ndarray], schema: Schema) -> None:
    absent = sorted(schema.tensors.keys() - arrays.keys())
    if absent:
        raise GuardError(GuardCode.NAMES, f"{absent[0]} and {len(absent) - 1} more are absent")
    unknown = len(arrays.keys() - schema.tensors.keys())
    if unknown:
        raise GuardError(GuardCode.NAMES, f"{unknown} tensors are unknown")


def _check_tensor(name: str, array: np.ndarray, spec: TensorSpec) -> None:
    if array.shape != spec.shape:
        raise GuardError(GuardCode.SHAPE, f"{name} has shape {array.shape}, expected {spec.shape}")
    if array.dtype.name != spec.dtype:
        raise GuardError(GuardCode.DTYPE, f"{name} has type {array.dtype.name}, expected {spec.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise GuardError(GuardCode.NOT_FINITE, f"{name} has values that are not finite")
