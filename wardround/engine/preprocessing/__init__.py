"""Steps that run once per case, in the study's order, and the way back to the grid of the file."""

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
