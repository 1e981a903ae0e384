"""What a study is about, as a manifest or a study that is there already tells it: task, inputs and truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.dicom import REFUSING, Dicom
from wardround.engine.basics.flaws import flow
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.cohort import Cohort
from wardround.engine.cohort.columns import LABEL, VALUE, Layout, Truth
from wardround.engine.cohort.manifest import survey_manifest
from wardround.engine.cohort.tables import Table, read_table
from wardround.engine.planning.fingerprint import ClassPrint, Fingerprint
from wardround.engine.planning.sizes import usual
from wardround.engine.planning.wording import Entry
from wardround.engine.study import Study
from wardround.engine.study.names import is_name, plain_name
from wardround.engine.targets import Column, target_of

SEGMENTATION, CLASSIFICATION, REGRESSION = "segmentation", "classification", "regression"
TASKS = (SEGMENTATION, CLASSIFICATION, REGRESSION)
_MOST_CLASSES = 20
_MASK = Column(LABEL, "the path of the mask of each row", frozenset({"mask", "seg", "segmentation"}), is_file=True)


@dataclass(frozen=True)
class Matter:
    """What is learned.

    Attributes:
        manifest: the table.
        cohort: its cases.
        task: one of `TASKS`.
        values: cells of each column with numbers or classes, by its name.
        study: which says it all, if there is one.
        names: of the values of masks, where somebody has named them.
        inputs: names of the channels, where somebody has named them.
        title: what the study is called; by default as the table is.
    """

    manifest: Path
    cohort: Cohort
    task: str
    values: Mapping[str, tuple[str, ...]]
    study: Study | None = None
    names: Mapping[int, str] | None = None
    inputs: tuple[str, ...] = ()
    title: str = ""

    @property
    def dicom(self) -> Dicom:
        """What is done with DICOM series that are not as they should be."""
        return REFUSING if self.study is None else self.study.dicom

    @property
    def counts(self) -> Counter[str]:
        """How many cases a classification has of each class, as the table writes it."""
        return Counter(self.values.get(VALUE, ()))


def read_matter(manifest: Path, study: Study | None, task: str | None) -> Matter:
    """What a manifest is about. Raises `InputError` with every problem of the table, and for a study that looks at
    columns of the table beside images."""
    if study is not None and study.columns:
        what, remedy = "a study that looks at columns of the table cannot be planned", "Write it by hand"
        raise InputError.one(what, where="columns", got=flow(list(study.columns)), remedy=remedy)
    findings = Findings()
    table = read_table(manifest, findings)
    findings.raise_if_any()
    task = study.task if study else task or _likely(table)
    if task not in TASKS:
        got, expected = repr(task), ", ".join(TASKS)
        raise InputError.one("no study of this task can be planned", where="task", got=got, expected=expected)
    survey = survey_manifest(manifest, _layout(study, task))
    if survey.problems:
        raise InputError(survey.problems)
    values = {} if task == SEGMENTATION else _values(table, study)
    return Matter(manifest, survey.cohort, task, values, study)


def _layout(study: Study | None, task: str) -> Layout:
    """What of the table is read: what the study asks for, or masks alone."""
    if study is not None:
        return Layout.of(study, Truth.REQUIRED)
    if task == SEGMENTATION:
        return Layout(None, (_MASK,), Truth.REQUIRED, None)
    return Layout(None, (), Truth.UNREAD, None)


def _likely(table: Table) -> str:
    """Masks make a segmentation, few whole numbers or words a classification, other numbers a regression."""
    if any(row.cells.get(LABEL) for row in table.rows):
        return SEGMENTATION
    if _truth_columns(table) != [VALUE]:
        return REGRESSION
    return CLASSIFICATION if _are_classes([row.cells[VALUE] for row in table.rows]) else REGRESSION


def _are_classes(cells: Sequence[str]) -> bool:
    """Words; or whole numbers of which there are few, each twice at least."""
    few = len(set(cells)) <= min(_MOST_CLASSES, len(cells) // 2)
    return not all(map(_is_number, cells)) or (few and all(map(_is_whole, cells)))


def _is_whole(cell: str) -> bool:
    return cell.isascii() and cell.isdigit()


def _truth_columns(table: Table) -> list[str]:
    """The columns with classes or numbers. Raises `InputError` where there is none."""
    columns = [name for name in table.columns if name == VALUE or name.startswith(f"{VALUE}_")]
    if columns:
        return columns
    raise InputError.one(
        "the table has no truth to learn",
        where=f"{table.path.name}, header",
        got=", ".join(filter(None, table.columns)),
        expected=f"a column {LABEL} with masks, or {VALUE} with a class or a number",
        remedy="Add the column, or rename the one that has it",
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _values(table: Table, study: Study | None) -> dict[str, tuple[str, ...]]:
    names = _truth_columns(table)
    if study is not None:
        names = [column.name for column in target_of(study).columns(study)]
    lacking = [row.line for row in table.rows if not all(row.cells.get(name) for name in names)]
    if lacking:
        raise InputError.one(
            f"{len(lacking)} rows have no truth",
            where=table.path.name,
            got=f"nothing in line {lacking[0]}",
            expected=f"a class or a number in {' and '.join(names)}",
            remedy="Fill them in, or take the rows out of the table",
        )
    return {name: tuple(row.cells[name] for row in table.rows) for name in names}


def truth_entries(matter: Matter, print_: Fingerprint) -> Iterator[Entry]:
    """The lines of a study that say what is learned."""
    if matter.study is not None:
        yield from _of_study(matter.study)
    elif matter.task == SEGMENTATION:
        named = [_class_line(each, print_, matter.names or {}) for each in print_.classes]
        yield Entry("classes", ("classes:", *named), "The values of the masks; 0 is background. Give them their names")
    elif matter.task == CLASSIFICATION:
        yield Entry("classes", ("classes:", *_category_lines(matter.counts)), "As the table has them, and how often")
    elif [*matter.values] != [VALUE]:
        yield Entry("targets", (f"targets: {flow([name.removeprefix(f'{VALUE}_') for name in matter.values])}",))


def _of_study(study: Study) -> Iterator[Entry]:
    if study.classes:
        yield Entry("classes", (f"classes: {flow(study.classes)}",))
    if study.regions:
        yield Entry("regions", (f"regions: {flow(study.regions)}",))
    if study.rest != "error":
        yield Entry("rest", (f"rest: {study.rest}",))
    if study.ignore is not None:
        yield Entry("ignore", (f"ignore: {flow(study.ignore)}",))
    if study.targets:
        yield Entry("targets", (f"targets: {flow(list(study.targets))}",))


def _class_line(each: ClassPrint, print_: Fingerprint, names: Mapping[int, str]) -> str:
    unit = "mm3" if print_.is_body else "pixels" if print_.dimensions == 2 else "voxels"
    name = flow(names.get(each.value, f"class {each.value}"))
    return (
        f"  {name}: {each.value}   # in {each.cases} of {print_.cases} cases, "
        f"half of them above {usual(each.volumes):g} {unit}"
    )


def _category_lines(counts: Mapping[str, int]) -> Iterator[str]:
    if all(map(_is_whole, counts)):
        by_number = Counter[int]()
        for cell, count in counts.items():
            by_number[int(cell)] += count
        for number in sorted(by_number):
            yield f"  class {number}: {number}   # {by_number[number]} cases"
    else:
        for place, value in enumerate(sorted(counts)):
            yield f"  {flow(value)}: {place}   # {counts[value]} cases"


def require_names(matter: Matter) -> None:
    """Raise `InputError` for words of the table that no class of a study can be called."""
    findings, cells = Findings(), matter.counts if matter.study is None and matter.task == CLASSIFICATION else {}
    for word in () if all(map(_is_whole, cells)) else sorted(cells):
        if not is_name(word):
            plain = plain_name(word)
            findings.add(
                "a study has no class of this name",
                where=f"{matter.manifest.name}, {VALUE}",
                got=f"{word!r} in {cells[word]} cases",
                expected="at most 64 letters of English, digits, blanks and . _ & + -, a letter or digit first",
                remedy=f"Write {f'for example {plain!r}' if plain else 'another word'} in the table, or call the "
                "folder so from which `wardround init` takes it",
            )
    findings.raise_if_any()


def input_names(matter: Matter, channels: int, tomography: Sequence[bool]) -> tuple[str, ...]:
    """Names of the inputs: the study's; or by what is seen of them."""
    if matter.inputs:
        return matter.inputs
    if matter.study is not None:
        return matter.study.inputs
    if channels == 1:
        return ("CT",) if tomography[0] else ("image",)
    is_one_file = len(matter.cohort.cases[0].channels) == 1
    if is_one_file and channels == 3:
        return ("red", "green", "blue")
    return tuple(f"input {number}" for number in range(channels))
