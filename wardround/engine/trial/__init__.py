"""A trial pass: every part that a study names does its work once, on a small case that is made for it."""

from wardround.engine.trial.trial import trial_pass

__all__ = ["trial_pass"]
