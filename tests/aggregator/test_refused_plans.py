"""A site that has accepted another plan says which; people read what differs, in `status`, log and report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.aggregator.bench import Bench
from tests.aggregator.fakes import CORRELATION, roster_of, seeded_keys
from tests.aggregator.showing.test_models import with_outputs
from tests.site_client.asking import ask
from tests.site_client.support import FakeEngine, build_site, working_site
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.aggregator.rounds.troubles import reason_of
from wardround.aggregator.showing.models import Outputs
from wardround.aggregator.showing.status import site_standing
from wardround.engine.basics.canonical import canonical_json, canonical_model, sha256_hex
from wardround.engine.basics.printable import printable
from wardround.engine.study import study_to_bytes
from wardround.federation.differences import Terms
from wardround.federation.endings import EndReason
from wardround.federation.envelope import Envelope
from wardround.federation.model_group import initial_arrays
from wardround.federation.protocol import (
    FEATURES,
    AcceptedTerms,
    Checks,
    Horizon,
    Leaves,
    Plan,
    RefusalCode,
    Refused,
    Requirements,
    Stage,
    Task,
    Weights,
)

OTHER_STUDY = study_of(changed(SEGMENTATION, training=SEGMENTATION["training"] | {"epochs": 7}))


def refusing(bench: Bench, accepted: dict[str, Any], code: RefusalCode = RefusalCode.PLAN_NOT_ACCEPTED) -> None:
    """Have north refuse every hello, and say that it has accepted these terms."""
    site = bench.sites["north"]
    own = site.answer

    def answer(envelope: Envelope) -> Envelope:
        task = Task.model_validate_json(envelope.body)
        if task.stage is not Stage.HELLO:
            return own(envelope)
        said = Refused(site="north", ask=task.ask, code=code, correlation=CORRELATION)
        body = canonical_json({**json.loads(canonical_model(said)), "accepted": accepted})
        return Envelope(body, seeded_keys("north").signing.sign(b"wardround reply\n" + body))

    site.answer = answer  # type: ignore[method-assign]


def terms_of(bench: Bench, **changes: Any) -> dict[str, Any]:
    """What the bench's sites are offered, but for some changes; as JSON."""
    names = changes.pop("names", bench.names)
    study = changes.pop("study", bench.study)
    plan: Plan = bench.plan.model_copy(update={"study": study.digest, "roster": roster_of(names).digest, **changes})
    found = AcceptedTerms(plan=plan, names=names, study=study_to_bytes(study).decode())
    return found.model_dump(mode="json")


CHANGES: dict[str, tuple[Callable[[Bench], dict[str, Any]], str]] = {
    "study": (lambda bench: terms_of(bench, study=OTHER_STUDY), "study training.epochs 7 -> "),
    "roster": (lambda bench: terms_of(bench, names=("east", "north")), "south was added"),
    "left": (lambda bench: terms_of(bench, names=("east", "north", "south", "west")), "west was removed"),
    "rounds": (lambda bench: terms_of(bench, horizon=Horizon(rounds=9, local_steps=5)), "rounds 9 -> 2"),
    "steps": (lambda bench: terms_of(bench, horizon=Horizon(rounds=2, local_steps=6)), "local_steps 6 -> 5"),
    "fold": (lambda bench: terms_of(bench, fold=3), "fold 3 -> 0"),
    "federation": (lambda bench: terms_of(bench, federation="other"), "federation other -> bench"),
    "weights": (lambda bench: terms_of(bench, weights=Weights(by="equal")), "weights"),
    "leaves": (lambda bench: terms_of(bench, leaves=Leaves(test=False)), "leaves"),
    "validation": (lambda bench: terms_of(bench, validation=Checks(every=2)), "validation"),
    "require": (lambda bench: terms_of(bench, require=Requirements(patient_column=True)), "require"),
    "initial": (lambda bench: terms_of(bench, initial="4" * 64), "initial"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_differs_is_said_wherever_people_look(tmp_path: Path, what: str) -> None:
    bench = Bench(tmp_path, rounds=2, on_decline="stop")
    accepted, said = CHANGES[what]
    refusing(bench, accepted(bench))
    outcome = bench.run()
    assert outcome.end is EndReason.DECLINED
    for text in (
        outcome.line,
        str(bench.journal("site_declined")[0].facts["reason"]),
        site_standing("north", bench.said, True).reason,
    ):
        assert said in text
        assert "plan_not_accepted" in text


def test_the_report_says_why_rounds_went_on_without_a_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = dict(initial_arrays(study_of(SEGMENTATION)))
    bench = Bench(tmp_path / "state", rounds=2, quorum=2)
    refusing(bench, terms_of(bench, names=("east", "north")))
    loop = with_outputs(bench, tmp_path / "results", monkeypatch, network)
    assert loop.run().complete
    assert isinstance(loop.showcase, Outputs)
    page = loop.showcase.report(loop.results, loop.best())
    assert page is not None
    text = page.read_text()
    assert "Round 2 went on without north (declined): it has not accepted this plan: south was added" in text


def hostile_studies() -> dict[str, str]:
    """Texts that are no studies, and are signed as if they were."""
    return {
        "deep": '{"a":' * 5_000 + "1" + "}" * 5_000,
        "not JSON": "{nonsense}",
        "a list inside": '{"validation":[[1,2],[3]],"classes":7,"augmentation":{"x":[]}}',
        "many keys": json.dumps({f"key{number}": number for number in range(3_000)}),
        "escapes": '{"study":"\\u001b[2J\\r\\u202e","training":{"epochs":"PATIENT\\n7"}}',
        "long": json.dumps({"study": "x" * 60_000}),
        "huge numbers": '{"training":{"epochs":' + "9" * 30_000 + "}}",
        "not a number": '{"training":{"epochs":NaN,"batch_size":1e999}}',
        "lists": json.dumps({"augmentation": [{"name": f"n{number}"} for number in range(3_000)]}),
    }


@pytest.mark.parametrize("kind", hostile_studies())
@pytest.mark.parametrize("honest", [True, False], ids=["its digest", "another digest"])
def test_whatever_a_site_says_that_it_has_accepted_is_short_and_printable(
    tmp_path: Path, kind: str, honest: bool
) -> None:
    bench = Bench(tmp_path, rounds=1, quorum=2)
    text = hostile_studies()[kind]
    accepted = terms_of(bench)
    accepted["study"] = text
    accepted["plan"]["study"] = sha256_hex(text.encode()) if honest else "5" * 64
    refusing(bench, accepted)
    assert bench.run().complete
    reasons = [str(entry.facts["reason"]) for entry in bench.journal("site_declined")]
    reasons += [absence.reason for result in bench.state.results() for absence in result.absent]
    assert reasons
    for reason in reasons:
        assert "it has not accepted this plan" in reason or "malformed" in reason
        assert reason == printable(reason)
        assert len(reason) <= 1000


def test_a_site_says_what_it_has_accepted_only_to_who_asks_and_offers_something_else(tmp_path: Path) -> None:
    site = build_site(tmp_path / "site")
    accepted = site.invitation
    offered = accepted.plan.model_copy(update={"horizon": Horizon(rounds=99, local_steps=3)})
    hello = site.hello().model_copy(update={"plan": offered.digest, "offer": offered, "names": ("north", "west")})
    with working_site(site, FakeEngine()) as courier:
        silent, _ = ask(site, courier, hello)
        assert isinstance(silent, Refused)
        assert silent.accepted is None
        told, _ = ask(site, courier, hello.model_copy(update={"features": FEATURES}))
        assert isinstance(told, Refused)
        assert told.accepted == AcceptedTerms(plan=accepted.plan, names=accepted.roster.names, study=accepted.study)
        reason = reason_of(told, Terms(offered, accepted.study, accepted.roster))
        assert f"rounds {accepted.plan.horizon.rounds} -> 99" in reason
        own, _ = ask(site, courier, site.hello().model_copy(update={"site": "south", "features": FEATURES}))
        assert isinstance(own, Refused)
        assert own.accepted is None
