"""Every part of a study works once on a small case; and what each part is held against in its author's tests."""

from wardround.engine.trial.common import check_part
from wardround.engine.trial.trial import trial_pass

__all__ = ["check_part", "trial_pass"]
