"""Multi-label classification: several labels of a case, from the whole image as one patch."""

from __future__ import annotations

from wardround.engine.tasks.whole import WholeImageTask


class MultiLabelTask(WholeImageTask):
    """Sigmoid of the whole image: a probability for each label. What is unknown of a case counts nowhere."""
