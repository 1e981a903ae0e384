"""What a user should know of a cohort that is allowed as it is; like cases are told of together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from wardround.engine.basics.problems import Findings, Problem
from wardround.engine.cohort.filenames import names_a_file, no_name_of_a_file
from wardround.engine.cohort.models import Cohort, Split
from wardround.engine.cohort.twins import Content, Contents
from wardround.engine.cohort.zeros import AS_TEXT, TAKEN, lost_zeros
from wardround.engine.imaging.image import Geometry, Remark
from wardround.engine.inspection.padding import Range, is_padded, padding_notices
from wardround.engine.inspection.patients import patient_notices
from wardround.engine.inspection.regions import ignored_voxels, separate_regions
from wardround.engine.inspection.selection import selection_notices
from wardround.engine.inspection.shapes import preprocessed_grid
from wardround.engine.inspection.unseen import unseen_classes
from wardround.engine.preprocessing.labels import classes_of, named_values
from wardround.engine.study.models import Study
from wardround.engine.study.sections import LONGEST_SIDE
from wardround.engine.targets import Written, target_of

_SHOWN_SUBJECTS = 3
_SHOWN_IMAGES = 10
_SHOWN_VALUES = 8


@dataclass(frozen=True)
class CaseFacts:
    """What was seen of one case.

    Attributes:
        grid: of its first channel.
        has_flat_channel: whether the voxels of a channel are all equal; False where voxels were not read.
        mask_values: values that its mask holds; None where there is no mask or it was not read.
        channels: how many it has in all its files.
        content: digests of its voxels; None where they were not read.
        remarks: oddities of its files' headers.
        ignored: how many voxels of its mask the study ignores; 0 where it was not read.
        padded_amid: the values of a channel amid which its padding lies; None where it does not, or was not looked for.
        sizes: bytes of the files of each channel; empty where nobody has looked.
    """

    grid: Geometry
    has_flat_channel: bool = False
    mask_values: frozenset[int] | None = None
    channels: int = 1
    content: Content | None = None
    remarks: tuple[Remark, ...] = ()
    padded_amid: Range | None = None
    ignored: int = 0
    sizes: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all its voxels."""
        return self.channels, *self.grid.shape


@dataclass(frozen=True)
class Comparison:
    """Which rows show the same image.

    Attributes:
        contents: of the rows that have a twin, or may have one.
        complete: whether every image was compared with every other by its voxels.
        repeats: rows that show and say the same as another one, which stands for them.
    """

    contents: Contents
    complete: bool
    repeats: Mapping[str, str]


def cohort_notices(
    study: Study,
    cohort: Cohort,
    facts: Mapping[str, CaseFacts],
    splits: Mapping[str, Split],
) -> tuple[Problem, ...]:
    """Everything worth knowing of a cohort whose cases are `facts`, by subject, and that is split in these ways."""
    return (
        *_unlearnt_mirroring(study),
        *separate_regions(study),
        *patient_notices(cohort),
        *_without_file_names(study, cohort),
        *_lost_zeros(cohort),
        *_smaller_than_patch(study, cohort, facts),
        *_larger_than_patch(study, cohort, facts),
        *padding_notices(study, cohort, {s: fact.padded_amid for s, fact in facts.items() if fact.padded_amid}),
        *_absent_classes(study, cohort, splits),
        *_of_training_values(study, cohort, splits),
        *selection_notices(study, cohort, splits, truths_of(study, facts)),
        *_flat(cohort, facts),
        *_masks(study, cohort, facts),
        *ignored_voxels(study, cohort, facts.values()),
        *unseen_classes(study, cohort, splits, truths_of(study, facts)),
    )


def truths_of(study: Study, facts: Mapping[str, CaseFacts]) -> dict[str, frozenset[int]]:
    """By subject the indices of the classes in its mask, where that was read."""
    index = classes_of(study)
    return {
        subject: frozenset(index[value] for value in fact.mask_values if index.get(value))
        for subject, fact in facts.items()
        if fact.mask_values is not None
    }


def comparison_notices(cohort: Cohort, compared: Comparison) -> tuple[Problem, ...]:
    """What is worth knowing of rows that show the same image."""
    return *_shared_images(cohort, compared), *_repeats(cohort, compared)


def header_notices(cohort: Cohort, facts: Mapping[str, CaseFacts]) -> Iterator[Problem]:
    """Oddities of headers that are allowed; each is told once, with what the first file says and how many have it."""
    subjects: dict[tuple[str, str], list[str]] = defaultdict(list)
    examples: dict[tuple[str, str], str] = {}
    for subject, fact in facts.items():
        for remark in fact.remarks:
            key = (remark.what, remark.remedy)
            examples.setdefault(key, remark.got)
            if subject not in subjects[key]:
                subjects[key].append(subject)
    for key, named in subjects.items():
        example = f" ({examples[key]}, in {named[0]!r})" if examples[key] else ""
        cases = "1 case" if len(named) == 1 else f"{len(named)} cases"
        yield _notice(cohort, named, f"{key[0]}{example}; in {cases}", key[1])


def _unlearnt_mirroring(study: Study) -> Iterator[Problem]:
    """Only mirror images that training shows to the model are of use to its predictions."""
    if study.inference.mirror and not study.flipped_axes:
        yield Problem(
            "mirror has no effect: predictions are averaged over the axes that augmentation flips, and it flips none",
            where="inference.mirror",
            remedy="Add `flip` with the axes along which a mirror image is as good as the image, or leave mirror out",
        )


def _notice(cohort: Cohort, subjects: Sequence[str], what: str, remedy: str = "") -> Problem:
    shown = ", ".join(repr(subject) for subject in subjects[:_SHOWN_SUBJECTS])
    more = f" and {len(subjects) - _SHOWN_SUBJECTS} more" if len(subjects) > _SHOWN_SUBJECTS else ""
    return Problem(f"{what}: {shown}{more}", where=cohort.manifest.name, remedy=remedy)


def _smaller_than_patch(study: Study, cohort: Cohort, facts: Mapping[str, CaseFacts]) -> Iterator[Problem]:
    shapes = _shapes(study, facts)
    small = [subject for subject, shape in shapes.items() if is_padded(study, shape)]
    if small:
        what = f"{len(small)} of {len(facts)} cases are smaller than the patch of {_sides(study.patches.size)}"
        what += f" and will be padded with {_padding(study)}"
        largest = _largest(shapes)
        fitting = _fitting(study, largest)
        remedy = f"In the study `patches: {{size: {fitting}}}` wastes less work on padding"
        yield replace(
            _notice(cohort, small, what),
            got=f"{_sides(largest)} at most after preprocessing",
            remedy=remedy if fitting != [*study.patches.size] else "",
        )


def _larger_than_patch(study: Study, cohort: Cohort, facts: Mapping[str, CaseFacts]) -> Iterator[Problem]:
    """Where one thing is said of a whole image, the network has to see all of it at once."""
    shapes = _shapes(study, facts)
    large = [] if study.truth.on_grid else [subject for subject, shape in shapes.items() if _is_cropped(study, shape)]
    if large:
        size, largest = list(study.patches.size), _largest(shapes)
        what = f"{len(large)} of {len(facts)} cases are larger than the patch of {_sides(size)}"
        what += ": training sees some part of each, and predictions are made from its middle alone"
        steps = zip(size, largest, study.divisors, strict=True)
        whole = [-(-max(asked, side) // step) * step for asked, side, step in steps]
        remedy = f"To show whole images, add `resize: {{size: {size}}}` to the preprocessing"
        if max(whole) <= LONGEST_SIDE:
            remedy += f", or write `patches: {{size: {whole}}}`, which takes more memory"
        yield replace(
            _notice(cohort, large, what),
            got=f"{_sides(largest)} at most after preprocessing",
            remedy=remedy,
        )


def _shapes(study: Study, facts: Mapping[str, CaseFacts]) -> dict[str, tuple[int, ...]]:
    """Of each case after preprocessing, where that can be told from its header."""
    grids = {subject: preprocessed_grid(study, fact.grid) for subject, fact in facts.items()}
    return {subject: grid.shape for subject, grid in grids.items() if grid is not None}


def _largest(shapes: Mapping[str, tuple[int, ...]]) -> list[int]:
    """The largest side of each axis."""
    return [max(sides) for sides in zip(*shapes.values(), strict=True)]


def _sides(sides: Sequence[int]) -> str:
    return " x ".join(map(str, sides))


def _is_cropped(study: Study, shape: Sequence[int]) -> bool:
    """Whether a preprocessed case of this shape is larger than a patch."""
    return any(have > need for have, need in zip(shape, study.patches.size, strict=True))


def _fitting(study: Study, largest: Sequence[int]) -> list[int]:
    """A patch that is no larger than the largest case needs, in steps by which the network can divide it."""
    sides = zip(study.patches.size, largest, study.divisors, strict=True)
    return [min(asked, max(step, 4, -(-side // step) * step)) for asked, side, step in sides]


def _padding(study: Study) -> str:
    padding = study.patches.padding
    if padding == "minimum":
        return "the least value of each channel"
    return f"the value {padding:g}" if padding else "zeros"


def _without_file_names(study: Study, cohort: Cohort) -> Iterator[Problem]:
    """Subjects that can be trained with, and whose masks or images `predict` could not write."""
    found = [case.subject for case in cohort.cases if not names_a_file(case.subject)]
    how = target_of(study).written
    if found and how is not Written.ROW:
        named = no_name_of_a_file(found[0], "")
        made = "masks" if how is Written.FILE else "images"
        what = f"{len(found)} SubjectIDs cannot name files, as they must for predicted {made}"
        what = named.what if len(found) == 1 else what
        yield _notice(cohort, found, what, f"Expected {named.expected}. {named.remedy}, for instance")


def _lost_zeros(cohort: Cohort) -> Iterator[Problem]:
    lost = [f"{subject} (file or folder {called})" for subject, called in lost_zeros(cohort)]
    if lost:
        count = "1 SubjectID is a number" if len(lost) == 1 else f"{len(lost)} SubjectIDs are numbers"
        what = f"{count} without the zeros that its file or folder has: {TAKEN}"
        remedy = f"Predictions will bear the short number. If that is not meant: {AS_TEXT[0].lower()}{AS_TEXT[1:]}"
        yield _notice(cohort, lost, what, remedy)


def _shared_images(cohort: Cohort, compared: Comparison) -> Iterator[Problem]:
    patients: dict[str, dict[str, str]] = defaultdict(dict)
    for case in cohort.cases:
        if case.subject in compared.contents:
            patients[compared.contents[case.subject].image].setdefault(case.patient, case.subject)
    shared = [by_patient for by_patient in patients.values() if len(by_patient) > 1]
    remedy = "If they are one person, give them one PatientID"
    for by_patient in shared[:_SHOWN_IMAGES]:
        what = f"the same image stands in {cohort.patients.counted(len(by_patient))}"
        yield _notice(cohort, [*by_patient.values()], what, remedy)
    if rest := shared[_SHOWN_IMAGES:]:
        what = f"{len(rest)} more images stand in several {'patients' if cohort.patients.stated else 'rows'} each"
        yield _notice(cohort, [next(iter(by_patient.values())) for by_patient in rest], what, remedy)
    if not compared.complete:
        yield Problem(
            "the images were compared by their files only: the same image in another format, or compressed in another "
            "way, is found when every voxel is read",
            where=cohort.manifest.name,
        )


def _repeats(cohort: Cohort, compared: Comparison) -> Iterator[Problem]:
    if compared.repeats:
        named = [f"{subject} (as {first})" for subject, first in compared.repeats.items()]
        count = f"{len(named)} row repeats" if len(named) == 1 else f"{len(named)} rows repeat"
        what = f"{count} image and truth of another one and will be used and counted once"
        yield _notice(cohort, named, what)


def _absent_classes(study: Study, cohort: Cohort, splits: Mapping[str, Split]) -> Iterator[Problem]:
    """Classes that no case has, or none of those in a set: there they can be neither learned nor scored."""
    target = target_of(study)
    word = "class" if target.has_classes else target.noun
    for index, name in target.classes_in_table(study).items():
        having = {case.subject for case in cohort.cases if index in target.classes_told(study, case.value)}
        patients = {case.patient for case in cohort.cases if case.subject in having}
        if not patients:
            yield Problem(f"no case has the {word} {name!r}", where=cohort.manifest.name)
            continue
        without = [place for place, split in splits.items() for place in _sets_without(split, having, place)]
        if without:
            count = cohort.patients.counted(len(patients))
            yield _notice(cohort, without, f"the {word} {name!r}, which {count} have, is missing from some sets")


def _sets_without(split: Split, having: Collection[str], name: str) -> Iterator[str]:
    for subset, cases in split.sets.items():
        if cases and not any(case.subject in having for case in cases):
            yield f"{subset} of {name}"


def _of_training_values(study: Study, cohort: Cohort, splits: Mapping[str, Split]) -> Iterator[Problem]:
    """What the kind of truth finds odd in the values of a training set; of several splits the first tells it."""
    for name, split in splits.items():
        values = [case.value for case in split.train if case.value is not None]
        found = [*target_of(study).table_notices(study, values)]
        if found:
            yield from (replace(each, where=f"{cohort.manifest.name}, training set of {name}") for each in found)
            return


def _flat(cohort: Cohort, facts: Mapping[str, CaseFacts]) -> Iterator[Problem]:
    flat = [subject for subject, fact in facts.items() if fact.has_flat_channel]
    if flat:
        yield _notice(cohort, flat, f"{len(flat)} cases have a channel whose voxels are all equal")


def _masks(study: Study, cohort: Cohort, facts: Mapping[str, CaseFacts]) -> Iterator[Problem]:
    masks = {subject: fact.mask_values for subject, fact in facts.items() if fact.mask_values is not None}
    if not masks:
        return
    named = frozenset(classes_of(study))
    empty = [subject for subject, values in masks.items() if not values & named - {0}]
    if empty:
        what = f"{len(empty)} of {len(masks)} masks are empty"
        yield _notice(cohort, empty, what, "They teach what is no class; if something was to be marked there, mark it")
    yield from _without_background(cohort, masks)
    yield from _rest(study, cohort, masks, named)


def _without_background(cohort: Cohort, masks: Mapping[str, frozenset[int]]) -> Iterator[Problem]:
    """Masks without a voxel of 0, as where a program counts the background too."""
    full = [subject for subject, values in masks.items() if 0 not in values]
    if full:
        least = min(min(masks[subject]) for subject in full)
        what = f"in {len(full)} of {len(masks)} masks no voxel is 0 (background)"
        remedy = (
            f"If {least} is the background there, as in programs that count from {least}, subtract {least} from every "
            "voxel, or export these masks again"
        )
        yield _notice(cohort, full, what, remedy)


def _rest(
    study: Study, cohort: Cohort, masks: Mapping[str, frozenset[int]], named: frozenset[int]
) -> Iterator[Problem]:
    """What counts as background because no class names it, so that nobody loses a structure without a word."""
    having: dict[int, list[str]] = defaultdict(list)
    for subject, values in masks.items():
        for value in values - named - {*study.ignored_values}:
            having[value].append(subject)
    for value in sorted(having)[:_SHOWN_VALUES] if study.rest == "background" else ():
        count = f"{len(having[value])} of {len(masks)} masks"
        yield _notice(cohort, having[value], f"the value {value}, which {count} have, counts as background")
    if study.rest == "background" and len(having) > _SHOWN_VALUES:
        what = f"{len(having) - _SHOWN_VALUES} more values count as background"
        yield Problem(what, where=cohort.manifest.name, got=", ".join(map(str, sorted(having)[_SHOWN_VALUES:])))


def require_foreground(study: Study, cohort: Cohort, facts: Mapping[str, CaseFacts], findings: Findings) -> None:
    """A finding if no mask has a single voxel of a class: from such masks nothing can be learned."""
    masks = [fact.mask_values for fact in facts.values() if fact.mask_values is not None]
    named = frozenset(classes_of(study)) - {0}
    if masks and not any(values & named for values in masks):
        findings.extend([no_foreground(study, cohort, sorted(frozenset[int]().union(*masks)))])


def no_foreground(study: Study, cohort: Cohort, values: Sequence[int] = ()) -> Problem:
    """The problem of a table in whose masks there is nothing to learn; `values` are those that they have."""
    return Problem(
        "no mask of this table has a voxel of a class",
        where=cohort.manifest.name,
        got=f"only the values {', '.join(map(str, values[:_SHOWN_VALUES]))}" if values else "",
        expected=named_values(study),
        remedy="Give the classes the values that the masks have, or name the right files in the column Label",
    )
