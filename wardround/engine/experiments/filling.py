"""The cases of a cohort in the store, all at once or one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wardround.engine.basics.files import DiskFullError
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import progress
from wardround.engine.cohort import Cohort
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.preprocessing.labels import together
from wardround.engine.store import CaseStore
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study


def fill_store(study: Study, cohort: Cohort, store: CaseStore, state: FittedState = EMPTY) -> dict[str, StoredCase]:
    """Every case of the cohort in the store, by subject; what is there already is not read again."""
    try:
        with progress("Preprocessing", len(cohort.cases)) as shown:
            cases = store.open_cases(study, cohort.cases, shown, state)
    except DiskFullError:
        raise
    except InputError as error:
        raise InputError(together(error.problems, cohort.manifest.name)) from None
    return {case.subject: stored for case, stored in zip(cohort.cases, cases, strict=True)}


class FittedCases(Mapping[str, StoredCase]):
    """The cases of a cohort as fitted preprocessing makes them, by subject.

    A case is prepared when it is asked for, unless all have been: of a split that is finished few are looked at again.
    """

    def __init__(self, study: Study, cohort: Cohort, store: CaseStore, state: FittedState) -> None:
        self._study, self._cohort, self._store, self._state = study, cohort, store, state
        self._rows = {case.subject: case for case in cohort.cases}
        self._opened: dict[str, StoredCase] = {}

    def __getitem__(self, subject: str) -> StoredCase:
        """Raises `InputError` for a case that cannot be prepared, KeyError for a subject that is not in the cohort."""
        if subject not in self._opened:
            self._opened[subject] = self._store.open_case(self._study, self._rows[subject], self._state)
        return self._opened[subject]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def fill(self) -> None:
        """Prepare all. Raises `InputError` with every case that cannot be."""
        self._opened = fill_store(self._study, self._cohort, self._store, self._state)

    def release(self) -> None:
        """Let the store remove them when it needs their room; one that is asked for again is prepared again."""
        self._store.release(self._opened.values())
        self._opened = {}
