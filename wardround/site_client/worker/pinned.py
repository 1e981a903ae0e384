"""The cohort as it was when work on a study began: nobody changes sets, and nothing else changes unnoticed.

Under `cohorts/` in the work folder, one file per study. It is written before the first piece of work: the first
question about the cases where something is fitted, or else the first round. Until then the table may change as it
likes. It holds digests only, no name and no path.

What counts as a change: rows that were added or removed, and rows whose files have other bytes or whose value is
another one. Another order of the rows, other columns, moved or touched files are none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Added, Closed
from wardround.engine.basics.files import DamagedError, checked, read_checked, write_private
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.basics.releases import later_release
from wardround.engine.cohort import Assignment, Cohort
from wardround.engine.study import Study
from wardround.federation.protocol import Count, Digest, Plan, RefusalCode
from wardround.site_client.agreement.agreement import Refusal
from wardround.site_client.worker.twofold import Twofold

Rule = Literal["refuse", "allow"]


class Change(Closed):
    """How a cohort differs from the one that work began with, in rows."""

    added: Count
    removed: Count
    changed: Count

    def __str__(self) -> str:
        return f"{self.added} added, {self.removed} removed, {self.changed} with other files or values"


class PinnedCohort(Closed):
    """A cohort: its digest, each row's content by the digest of its `SubjectID`, and who is in which set.

    `steps` are the versions of the study's steps of preprocessing with which work began; None where nobody wrote them
    down.
    """

    cohort: Digest
    cases: dict[Digest, Digest]
    assignment: Assignment
    steps: Annotated[dict[str, int] | None, Added("0.2.0")] = None

    def change_to(self, later: PinnedCohort) -> Change:
        """What is different in a later cohort."""
        both = self.cases.keys() & later.cases.keys()
        return Change(
            added=len(later.cases.keys() - both),
            removed=len(self.cases.keys() - both),
            changed=sum(self.cases[row] != later.cases[row] for row in both),
        )

    def rows_changed(self, cohort: Cohort) -> Change:
        """What a table alone says: rows that are new and rows that have gone; no file is read."""
        rows = {self.assignment.digest_of_subject(case.subject) for case in cohort.cases}
        return Change(added=len(rows - self.cases.keys()), removed=len(self.cases.keys() - rows), changed=0)


class Proposal(Closed):
    """A changed cohort that was refused, and whether the site's staff has accepted it since."""

    cohort: Digest
    change: Change
    accepted: bool = False


def require_patients(plan: Plan, cohort: Cohort) -> None:
    """Raise `InputError` if the plan requires a `PatientID` column that the table lacks."""
    if plan.require.patient_column and not cohort.patients.stated:
        raise InputError.one(
            "the accepted plan requires a PatientID column",
            where=cohort.manifest.name,
            got="none" + (f"; likely: {' or '.join(cohort.patients.likely)}" if cohort.patients.likely else ""),
            remedy="Add it, with the same entry in all rows of a person",
        )


def steps_note(study: Study, held: PinnedCohort | None) -> str:
    """What to say where this release prepares cases otherwise than the one with which work on a study began."""
    from wardround.engine.preprocessing import other_versions

    known = None if held is None else held.steps
    changed = other_versions(study, known or {})
    if known is None or not changed:
        return ""
    return Problem(
        f"this training began with another version of {' and '.join(changed)}: it gives other voxels now",
        got=", ".join(f"{name} {known[name]}" for name in changed),
        expected=", ".join(f"{name} {version}" for name, version in changed.items()),
        remedy="Let all sites work with one release: update the others too, or go back to the former one until the run "
        "has ended",
    ).render()


@dataclass(frozen=True)
class CohortPins:
    """The pinned cohort of one study: `path`, and beside it the change that was refused last."""

    path: Path

    @classmethod
    def of(cls, work: Path, study: Digest) -> CohortPins:
        """Where the cohort of a study is pinned."""
        return cls(work / "cohorts" / f"{study}.json")

    def read(self) -> PinnedCohort | None:
        """The cohort that work began with; None before it has. Raises `InputError` when file and copy are damaged."""
        try:
            written = Twofold(self.path).read()
            return None if written is None else PinnedCohort.model_validate_json(written)
        except (DamagedError, ValidationError) as error:
            raise later_release(error, self.path) or InputError.one(
                "what was written down about this site's cases is damaged, and so is its copy",
                where=str(self.path),
                remedy="Restore them from a backup. If there is none, move both away: a patient whose image was "
                "trained may then become a test case",
            ) from None

    def admit(self, held: PinnedCohort | None, now: PinnedCohort, rule: Rule) -> None:
        """Raise `Refusal` for a cohort that is not the pinned one, unless policy or staff allow the change."""
        if held is None or held.cohort == now.cohort or rule == "allow":
            return
        proposal = self.proposal()
        if proposal is not None and proposal.accepted and proposal.cohort == now.cohort:
            return
        change = held.change_to(now)
        write_private(self._proposed, checked(canonical_model(Proposal(cohort=now.cohort, change=change))))
        raise Refusal(
            RefusalCode.COHORT_CHANGED,
            f"the cases have changed since this training began (rows: {change}). Put them back as they were, or accept "
            "the change with `site-client accept-cohort`; patients that are known keep their sets",
        )

    def keep(self, now: PinnedCohort) -> Change | None:
        """Pin a cohort; what is different from the one that was pinned before, if anything is."""
        held = self.read()
        if held is not None and held.steps:  # work began with these, whatever is installed now
            now = now.model_copy(update={"steps": held.steps})
        if held == now:
            return None
        Twofold(self.path).write(canonical_model(now))
        self._proposed.unlink(missing_ok=True)
        return None if held is None or held.cohort == now.cohort else held.change_to(now)

    def proposal(self) -> Proposal | None:
        """The change that was refused last, if it was not undone since. A damaged one is proposed again."""
        try:
            return Proposal.model_validate_json(read_checked(self._proposed))
        except (FileNotFoundError, DamagedError, ValidationError):
            return None

    def accept(self) -> Change:
        """Accept the change that was refused last. Raises `InputError` when there is none."""
        proposal = self.proposal()
        if proposal is None:
            raise InputError.one("no change of the cases waits to be accepted", where=str(self.path.parent))
        write_private(self._proposed, checked(canonical_model(proposal.model_copy(update={"accepted": True}))))
        return proposal.change

    @property
    def _proposed(self) -> Path:
        return self.path.with_suffix(".proposed.json")
