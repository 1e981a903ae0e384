"""Patches of stored cases, as a pure function of seed and step, and a thread that reads ahead."""

from wardround.engine.sampling.batch import Batch, SampleKey, Surroundings
from wardround.engine.sampling.prefetch import BatchSource, Prefetcher
from wardround.engine.sampling.source import PatchSource

__all__ = ["Batch", "BatchSource", "PatchSource", "Prefetcher", "SampleKey", "Surroundings"]
