"""What holds for every kind of truth that has no classes, and names what it predicts in `targets`."""

from __future__ import annotations

from collections.abc import Iterator

from wardround.engine.basics.flaws import Flaw, flow, written
from wardround.engine.study.models import Study


def stray_classes(study: Study, whose: str, instead: str = "") -> Iterator[Flaw]:
    """Flaws where a study names classes, or a background. `whose` is what the study is called; `instead` is what names
    its outputs."""
    if study.classes:
        remedy = f"Take the line out{f'; {instead}' if instead else ''}"
        yield Flaw(("classes",), f"{whose} has no classes", flow(study.classes), "no `classes`", remedy=remedy)
    if study.rest != "error":
        what, got = f"{whose} has no background", written(study.rest)
        yield Flaw(("rest",), what, got, "no `rest`", remedy="Take the line out")


def ill_named_targets(study: Study) -> Iterator[Flaw]:
    """Flaws of names that stand twice, or that cannot be the end of a column's name."""
    if len(set(study.targets)) != len(study.targets):
        what, got = "two targets have the same name", flow(list(study.targets))
        yield Flaw(("targets",), what, got, "each name once", remedy="Take one of the two out")
    for place, name in enumerate(study.targets):
        if name != name.rstrip():
            what, expected = "the name of a target ends with a blank, which names of columns lose", "no blank there"
            yield Flaw(("targets", place), what, written(name), expected, remedy=f"Write {flow(name.rstrip())}")
