"""Whether the values of a federation file fit the study, the roster and the model that it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wardround.aggregator.settings import Federation, Folders
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.study import Study
from wardround.engine.study.documents import Document
from wardround.federation.addresses import split_address
from wardround.federation.identities import Roster
from wardround.federation.metric_names import LOSS, unknown_metrics
from wardround.federation.protocol import Plan
from wardround.federation.strategies.trial import try_strategy


@dataclass(frozen=True)
class Fitting:
    """A federation file beside what it names.

    Attributes:
        document: its lines, and its values as they were written.
        stated: its values as far as they can be used, defaults in the place of the others.
        folders: where the aggregator keeps what, absolute.
        study: None where it cannot be read; so is the roster.
    """

    document: Document
    stated: Federation
    folders: Folders
    study: Study | None
    roster: Roster | None

    def problems(self) -> Iterator[Problem]:
        """What does not fit, key by key, whatever is wrong with other keys."""
        if self.roster is not None:
            yield from self._quorum(self.roster)
        if self.study is not None:
            yield from self._fold(self.study)
            yield from self._metrics(self.study)
        yield from self._strategy()

    def _strategy(self) -> Iterator[Problem]:
        """The strategy at work on a few numbers, and what of the study does not go with it."""
        place = self.document.place(("strategy",))
        failing = try_strategy(self.stated.strategy, place)
        yield from failing
        if self.study is not None and not failing:
            yield from (replace(flaw, where=place) for flaw in self.stated.strategy.build().flaws(self.study))

    def notes(self) -> Iterator[str]:
        """What fits, and is worth a thought all the same."""
        count = 0 if self.roster is None else len(self.roster.members)
        if self.stated.quorum is not None and self.stated.quorum < count and self.stated.deadline is None:
            yield (
                "the quorum is below the roster, but without a deadline a round waits for every site all the same, "
                "except for those that decline and those that are in trouble for longer than `patience`"
            )
        called, own = split_address(self.stated.address)[1], self.stated.endpoint[1]
        if called != own:
            yield (
                f"sites call port {called}, as `address` says, and this aggregator listens at {own}, as `listen` says: "
                f"something must lead from {called} to {own}, or both must be the same"
            )
        path = self._initial_path()
        if path is not None and path.exists() and self.study is not None:
            from wardround.aggregator.initial import notes_on

            yield from notes_on(path, self.study)

    def initial(self, held: Plan | None) -> str | None:
        """Digest of the given model, if there is one. Once the run has begun its file is of no use, and may be gone.

        Raises:
            InputError: the model cannot be used, or is none.
        """
        path, place = self._initial_path(), self.document.place(("initial",))
        if path is None:
            return None
        if path.resolve().is_relative_to(self.folders.results.resolve()):
            raise InputError.one(
                "the initial model lies where this federation writes its own",
                where=place,
                got=str(path),
                expected="a folder outside the results",
                remedy="Copy it to another folder first",
            )
        if not path.exists() and held is not None and held.initial is not None:
            return held.initial
        from wardround.aggregator.initial import given_arrays, given_digest, read_weights

        if self.study is None:
            read_weights(path, place)
            return None
        given = given_arrays(path, self.study, place)
        return given_digest(self.stated.strategy.build().sharing.opening(given))

    def _initial_path(self) -> Path | None:
        named = self.stated.initial
        return None if named is None else self.document.path.resolve().parent / named

    def _quorum(self, roster: Roster) -> Iterator[Problem]:
        count, quorum = len(roster.members), self.stated.quorum
        if not count:
            remedy = "Add each site with `aggregator enroll NAME NAME.pub`"
            yield Problem("the roster is empty", str(self.folders.roster), "no site", "one or more", remedy)
        elif quorum is not None and quorum > count:
            yield Problem(
                "the quorum is above the number of sites",
                self.document.place(("quorum",)),
                str(quorum),
                f"at most {count} ({', '.join(roster.names)})",
                "Lower it, write `quorum: all`, or enrol the missing sites with `aggregator enroll`",
            )

    def _fold(self, study: Study) -> Iterator[Problem]:
        if self.stated.fold >= study.validation.outer_folds:
            yield Problem(
                "the study has no such outer fold",
                self.document.place(("fold",)),
                str(self.stated.fold),
                f"0 to {study.validation.outer_folds - 1}",
                "Folds are counted from 0; write one of these, or raise `outer_folds` in the study",
            )

    def _metrics(self, study: Study) -> Iterator[Problem]:
        """Names of scores that may leave: those of the study's metrics and the loss."""
        known = (*(metric.name for metric in study.validation.metrics), LOSS)
        for number, name in self._stated_metrics():
            for flaw in unknown_metrics((name,), known):
                where = self.document.place(("evaluation", "metrics", number))
                yield Problem(f"the study has no metric {flaw.word!r}", where, flaw.got, flaw.expected, flaw.way_out)

    def _stated_metrics(self) -> Iterator[tuple[int, str]]:
        """The names as they were written, also where others beside them cannot be used."""
        content = self.document.content
        section = content.get("evaluation") if isinstance(content, dict) else None
        listed = section.get("metrics") if isinstance(section, dict) else None
        for number, name in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(name, str):
                yield number, name
