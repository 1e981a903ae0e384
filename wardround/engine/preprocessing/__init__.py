"""Steps that run once per case, in the study's order, and the way back to the grid of the file.

What is named here is loaded when it is first used: whoever only speaks of fitted values and summaries, as a courier
does, loads nothing that reads images.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wardround.engine.preprocessing.cases import read_sample, told_of
    from wardround.engine.preprocessing.native import only_rearranged, to_native
    from wardround.engine.preprocessing.pipeline import Pipeline, other_versions
    from wardround.engine.preprocessing.sample import Sample, Step

__all__ = [
    "Pipeline",
    "Sample",
    "Step",
    "only_rearranged",
    "other_versions",
    "read_sample",
    "to_native",
    "told_of",
]
_MODULES = {
    "Pipeline": "pipeline",
    "Sample": "sample",
    "Step": "sample",
    "only_rearranged": "native",
    "other_versions": "pipeline",
    "read_sample": "cases",
    "to_native": "native",
    "told_of": "cases",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
