"""Classification: one class per case, from the whole image as one patch."""

from __future__ import annotations

from wardround.engine.tasks.whole import WholeImageTask


class ClassificationTask(WholeImageTask):
    """Softmax of the whole image: a probability for each class."""
