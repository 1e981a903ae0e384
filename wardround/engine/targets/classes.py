"""What holds for every kind of truth that has classes, or has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wardround.engine.study.expectations import flow
from wardround.engine.study.located_problems import WRONG_VALUE, Flaw
from wardround.engine.study.models import Study


def stray_targets(study: Study) -> Iterator[Flaw]:
    """A flaw where a study names numbers beside its classes."""
    if study.targets:
        what, got = f"a {study.task} has classes and no targets", flow(list(study.targets))
        remedy = "Take the line out, or write `task: regression` or `task: multilabel`"
        yield Flaw(("targets",), what, got, "no `targets`", remedy=remedy)


def lacking_classes(study: Study, *, least: int, example: Mapping[str, int]) -> Iterator[Flaw]:
    """A flaw where a study names fewer classes than its task needs."""
    if not study.classes:
        expected = f"{least} or more classes with the values that stand for them"
        remedy = f"Write for example `classes: {flow(example)}`"
        yield Flaw(("classes",), WRONG_VALUE, "{}", expected, remedy=remedy)
