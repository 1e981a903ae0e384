"""Tests of wardround.engine.targets."""
