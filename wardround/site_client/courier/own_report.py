"""What a hospital keeps of a federation that it took part in: a page for people and the same as JSON, in `work`."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from wardround.engine.basics.durations import duration
from wardround.engine.report.colours import series_of
from wardround.engine.report.page import Cell, Page, number
from wardround.engine.report.units import Units
from wardround.engine.report.words import selecting_first
from wardround.federation.declared import TEST_PREFIX
from wardround.federation.endings import EndReason, ending_line
from wardround.federation.identities import fingerprint
from wardround.federation.invitation import shown_authority
from wardround.federation.protocol import MetricValue, Stage
from wardround.federation.stages import TERMS
from wardround.site_client.agreement.account import Account, Tally
from wardround.site_client.agreement.agreement import Agreement
from wardround.site_client.agreement.settings import SiteSettings
from wardround.site_client.between.two_users import write_handed
from wardround.site_client.courier.contribution import SURVEYED, Contribution, Piece
from wardround.site_client.courier.kept_model import KeptModel, ModelCard

NONE = "–"
WEIGHTS, CASES = "model weights", "number of training cases"
NO_SCORES = frozenset({WEIGHTS, CASES, "training loss", SURVEYED})
"""What leaves and is no score of cases, beside what a strategy declares."""
PAGE, DATA = "report.html", "report.json"


@dataclass(frozen=True)
class Taking:
    """What this site's own files say of the accepted plan. `pieces` are in the order in which they were done."""

    site: str
    agreement: Agreement
    tally: Tally
    pieces: tuple[Piece, ...]
    folder: Path
    model: ModelCard | None

    @classmethod
    def of(cls, settings: SiteSettings, agreement: Agreement) -> Taking:
        """Read it. Raises `InputError` where the account cannot be read."""
        plan, kept = agreement.plan, KeptModel(settings.work)
        card = kept.card()
        return cls(
            site=settings.name,
            agreement=agreement,
            tally=Account(settings.work / "account", plan).glance(),
            pieces=Contribution(settings.work, plan.digest).pieces(),
            folder=kept.folder,
            model=card if card is not None and card.plan == plan.digest else None,
        )

    @property
    def end(self) -> str:
        """How it stands, or has ended."""
        if self.tally.concluded is None:
            return "the run goes on, as far as this site was told"
        return ending_line(self.tally.concluded[1])

    @property
    def trained(self) -> tuple[Piece, ...]:
        """The rounds of training."""
        return tuple(piece for piece in self.pieces if TERMS[piece.stage].trains)

    @property
    def shared(self) -> frozenset[str]:
        """What has left as the strategy declares it: the weights always, after training."""
        return frozenset(what for piece in self.trained for what in (WEIGHTS, *piece.shared))

    @property
    def scored(self) -> tuple[Piece, ...]:
        """The pieces in which a model was scored on validation cases."""
        return tuple(piece for piece in self.pieces if any(_is_validation(name) for name in piece.scores))

    @property
    def seconds(self) -> float:
        """Time spent computing."""
        return sum(piece.seconds for piece in self.pieces)


def write_own_report(settings: SiteSettings, agreement: Agreement) -> Path | None:
    """Write `report.html` and `report.json` into the work folder; the page's path, or None where they say this already.

    Raises:
        InputError: the account of the plan cannot be read.
        OSError: they cannot be written.
    """
    taking = Taking.of(settings, agreement)
    page, data = settings.work / PAGE, settings.work / DATA
    content = (json.dumps(as_json(taking), indent=2, sort_keys=True) + "\n").encode()
    if page.is_file() and data.is_file() and data.read_bytes() == content:
        return None
    write_handed(page, as_page(taking).render().encode())
    write_handed(data, content)
    return page


def as_json(taking: Taking) -> dict[str, JsonValue]:
    """The report for programs. Times in hours, sizes in bytes; `scores` are of this site's own cases."""
    invitation, plan = taking.agreement.invitation, taking.agreement.plan
    before, after, tested = own_scores(taking)
    return {
        "site": taking.site,
        "federation": plan.federation,
        "plan": plan.digest,
        "study": {"name": taking.agreement.study.study, "digest": plan.study},
        "sites": list(invitation.roster.names),
        "coordinator": fingerprint(invitation.coordinator_key),
        "certificate_authority": shown_authority(invitation.ca_pem),
        "end": None if taking.tally.concluded is None else taking.tally.concluded[1].value,
        "rounds": {"of_the_plan": plan.horizon.rounds, "trained_here": [*sorted({p.round for p in taking.trained})]},
        "steps": taking.tally.steps,
        "training_cases": max((piece.train_cases for piece in taking.trained), default=None),
        "hours": round(taking.seconds / 3600, 4),
        "bytes_sent": sum(piece.sent for piece in taking.pieces),
        "bytes_received": sum(piece.received for piece in taking.pieces),
        "left": [*sorted(what_left(taking))],
        "scores": {"before": _plain(before), "after": _plain(after), "test": _plain(tested)},
        "model": None if taking.model is None else taking.model.model_dump(mode="json"),
        "model_folder": None if taking.model is None else str(taking.folder),
    }


def what_left(taking: Taking) -> set[str]:
    """Names of all that has left this site."""
    names = {name for piece in taking.pieces for name in piece.left} | taking.shared
    return names | ({CASES} if names else set())


def own_scores(
    taking: Taking,
) -> tuple[dict[str, MetricValue], dict[str, MetricValue], dict[str, MetricValue]]:
    """Scores on this site's validation cases of the first and of the last model that came, and those of test cases."""
    scored = [{name: value for name, value in piece.scores.items() if _is_validation(name)} for piece in taking.scored]
    tested = {
        name.removeprefix(TEST_PREFIX): value
        for piece in taking.pieces
        for name, value in piece.scores.items()
        if not _is_validation(name)
    }
    return (scored[0], scored[-1], tested) if scored else ({}, {}, tested)


def as_page(taking: Taking) -> Page:
    """The report for people."""
    plan, study = taking.agreement.plan, taking.agreement.study
    select = study.validation.select
    lead = (
        f"What {taking.site} took part in, with the study {study.study}. This page was made here, from this site's own "
        "files; nobody was sent it."
    )
    page = Page(f"Federation {plan.federation} at {taking.site}", lead).facts(_facts(taking))
    _add_ending(page, taking)
    page.heading("Scores on this site's own cases").table(
        ["score", "before", "after", "validation cases", "on test cases", "test cases"],
        _score_rows(taking),
        caption=_score_caption(taking),
    )
    page.heading("What left")
    for sentence in _left_in_words(taking):
        page.text(sentence)
    page.text("Images, masks, tables, names and the scores of single cases did not leave.")
    score = _units(taking).named(select)
    page.heading("Rounds").table(
        ["round", score, "training loss", "training cases", "done (UTC)", "time (s)", "sent (MB)",
         "received (MB)"],
        [_round_row(piece, select) for piece in taking.pieces],
        caption=f"The {select} is that of the model that came, on this site's validation cases.",
    )  # fmt: skip
    return page.heading("With whom").table(["what", "value"], _terms(taking))


def _facts(taking: Taking) -> dict[str, str]:
    rounds = len({piece.round for piece in taking.trained})
    cases = max((piece.train_cases for piece in taking.trained), default=0)
    return {
        "rounds trained here": f"{rounds} of {taking.agreement.plan.horizon.rounds}",
        "training cases": str(cases),
        "computed": duration(taking.seconds),
        "sent": megabytes(sum(piece.sent for piece in taking.pieces)),
        "received": megabytes(sum(piece.received for piece in taking.pieces)),
    }


def _add_ending(page: Page, taking: Taking) -> None:
    """How the run has ended, and where its model is."""
    page.text(f"{_capital(taking.end)}.").text(_model_line(taking))
    if taking.model is not None:
        page.command(f"wardround predict {shlex.quote(str(taking.folder))} --folder images --out predictions")


def _model_line(taking: Taking) -> str:
    card, rounds = taking.model, taking.agreement.plan.horizon.rounds
    if card is None:
        return "No model of this federation is here: none has come. The coordinator has it, under `results`."
    line = f"The global model that round {card.round} made is here, with the digest {card.model}."
    if card.round < rounds:
        line += f" It is not that of the last round, {rounds}, which did not come here: the coordinator has that one."
    return f"{line} To use it:"


def _left_in_words(taking: Taking) -> list[str]:
    """All that has left: what is no score first, then scores by whose they are."""
    names, select = what_left(taking), taking.agreement.study.validation.select
    tested, no_scores = {name for name in names if not _is_validation(name)}, NO_SCORES | taking.shared
    groups = {
        "": names & no_scores,
        "scores of all validation cases: ": names - no_scores - tested,
        "scores of all test cases: ": {name.removeprefix(TEST_PREFIX) for name in tested},
    }
    told = [f"{head}{', '.join(selecting_first(sorted(found), select))}." for head, found in groups.items() if found]
    return [_capital(sentence) for sentence in told] or ["Nothing."]


def _score_rows(taking: Taking) -> list[list[str]]:
    before, after, tested = own_scores(taking)
    return [
        [
            _units(taking).named(name),
            *(_shown(found.get(name)) for found in (before, after)),
            _count(after.get(name)),
            _shown(tested.get(name)),
            _count(tested.get(name)),
        ]
        for name in selecting_first(sorted({*before, *after, *tested}), taking.agreement.study.validation.select)
    ]


def _units(taking: Taking) -> Units:
    return Units.of_study(taking.agreement.study)


def _score_caption(taking: Taking) -> str:
    if not taking.scored:
        return "No model was scored here."
    first, last = taking.scored[0].round - 1, taking.scored[-1].round - 1
    return (
        f"On validation cases, before: by the model after round {first}; after: by the model after round {last}. "
        f"Test cases are scored once, at the end. {_units(taking).explained(what_left(taking))}".rstrip()
    )


_CALLED = {Stage.EVALUATE: "evaluation", Stage.SURVEY: "survey"}
"""What work without training is called."""


def _round_row(piece: Piece, select: str) -> list[str]:
    trained = TERMS[piece.stage].trains
    return [
        str(piece.round) if trained else _CALLED[piece.stage],
        _shown(piece.scores.get(select)),
        NONE if piece.loss is None else number(piece.loss),
        str(piece.train_cases) if trained else NONE,
        piece.time[:16].replace("T", " "),
        f"{piece.seconds:,.1f}",
        f"{piece.sent / 1e6:,.2f}",
        f"{piece.received / 1e6:,.2f}",
    ]


def _terms(taking: Taking) -> list[list[str | Cell]]:
    invitation, plan = taking.agreement.invitation, taking.agreement.plan
    looks = series_of(invitation.roster.names)
    return [
        *([("this site" if name == taking.site else "another site"), Cell(name, look)] for name, look in looks.items()),
        ["coordinator's fingerprint", fingerprint(invitation.coordinator_key)],
        ["certificate authority", shown_authority(invitation.ca_pem)],
        ["plan", plan.digest],
        ["study", f"{taking.agreement.study.study} ({plan.study})"],
        ["horizon", f"{plan.horizon.rounds} rounds of {plan.horizon.local_steps} steps"],
        ["strategy", plan.strategy.described],
    ]


def is_complete(tally: Tally) -> bool:
    """Whether the site was told that the run is complete."""
    return tally.concluded is not None and tally.concluded[1] is EndReason.COMPLETE


def megabytes(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e6:,.2f} MB" if count < 10e6 else f"{count / 1e6:,.0f} MB"


def _is_validation(name: str) -> bool:
    return not name.startswith(TEST_PREFIX)


def _plain(scores: dict[str, MetricValue]) -> dict[str, JsonValue]:
    return {name: value.model_dump(mode="json") for name, value in sorted(scores.items())}


def _shown(value: MetricValue | None) -> str:
    return NONE if value is None else number(value.value)


def _count(value: MetricValue | None) -> str:
    return NONE if value is None else str(value.count)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
