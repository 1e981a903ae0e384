"""Strategies with a half at the sites survive SIGKILL: the same global arrays, and the same state at every site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from pydantic import JsonValue

from tests.end_to_end.federation import AGGREGATOR, PATIENCE, STUDY, Copy, Federation, Strike, Template, courier, worker
from wardround.aggregator.journal import Event as Journal
from wardround.site_client.events import Event

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * PATIENCE)]

STRATEGIES: Mapping[str, JsonValue] = {"fedprox": {"fedprox": {"mu": 0.1}}, "scaffold": "scaffold"}
BY_SGD = STUDY.replace("optimizer: {name: adamw, learning_rate: 1e-2}", "optimizer: {name: sgd, learning_rate: 0.05}")
STRIKES = {
    "in a round, after a reply and before the inbox is full": (
        Strike(worker("north"), Event.CHECKPOINT_SAVED, nth=3),
        Strike(courier("south"), Event.REPLY_SENT),
        Strike(AGGREGATOR, Journal.REPLY_STORED),
    ),
    "in the second round, before the outbox and between inbox and fold": (
        Strike(worker("south"), Event.CHECKPOINT_SAVED, nth=30),
        Strike(courier("west"), Event.REPLY_SEALED),
        Strike(AGGREGATOR, Journal.ROUND_DECIDED),
        Strike(worker("north"), Event.RESULT_WRITTEN, nth=2),
    ),
}


@dataclass(frozen=True)
class Ended:
    """What an undisturbed run leaves behind."""

    template: Template
    model: str
    carried: tuple[str, ...]


def carried(federation: Federation) -> tuple[str, ...]:
    """Names of the sites' committed state, which hold work keys and the digests of what was kept."""
    folders = {name: federation.lab.work_folder(name) / "state" / "committed" for name in federation.names}
    return tuple(
        sorted(
            f"{name}/{path.relative_to(folder)}" for name, folder in folders.items() for path in folder.rglob("*.blob")
        )
    )


@pytest.fixture(scope="module", params=STRATEGIES)
def undisturbed_by(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run of each strategy that nothing disturbs."""
    changes = {"strategy": STRATEGIES[request.param]}
    template = Template.prepare(tmp_path_factory.mktemp(request.param) / "federation", text=BY_SGD, changes=changes)
    with template.copy(tmp_path_factory.mktemp("undisturbed") / "federation") as federation:
        federation.start()
        model = federation.finish()
        kept = carried(federation)
    own = [name for name in kept if "/strategy." in name]
    # Three sites, two rounds: fedprox keeps nothing for itself.
    assert len(own) == (6 if request.param == "scaffold" else 0)
    return Ended(template, model, kept)


@pytest.mark.parametrize("strikes", STRIKES.values(), ids=STRIKES)
def test_any_process_may_be_killed(undisturbed_by: Ended, federation_of: Copy, strikes: tuple[Strike, ...]) -> None:
    federation = federation_of(undisturbed_by.template)
    federation.start()
    assert federation.finish(strikes) == undisturbed_by.model
    assert carried(federation) == undisturbed_by.carried
