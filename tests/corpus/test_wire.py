"""One site can be upgraded at a time: each release understands the other as long as nothing new is used.

An older peer is played by the JSON schemas that its release left in the corpus: what does not fit, it would refuse.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.aggregator.bench import Bench, expected_models
from tests.aggregator.fakes import CORRELATION, FakeSite, seeded_keys
from tests.corpus.test_corpus import RELEASES
from tests.site_client.asking import ready, until
from tests.site_client.support import FakeEngine, base_model, build_site, working_site
from wardround.engine.basics.canonical import canonical_json, canonical_model
from wardround.federation.envelope import Envelope
from wardround.federation.protocol import FEATURES, Done, Ready, Stage, Task

WITH_SCHEMAS = [release / "schemas.json" for release in RELEASES if (release / "schemas.json").exists()]


@pytest.fixture(params=WITH_SCHEMAS, ids=lambda path: path.parent.name)
def schemas(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What an earlier release takes from its peers."""
    path: Path = request.param
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@dataclass
class OlderSite(FakeSite):
    """A site of an earlier release: a task that does not fit its schema is not opened."""

    schema: dict[str, Any] = field(default_factory=dict)

    def answer(self, envelope: Envelope) -> Envelope:
        """What the site says to a sealed task."""
        Draft202012Validator(self.schema).validate(json.loads(envelope.body))
        return super().answer(envelope)


@dataclass
class NewerSite(FakeSite):
    """A site of a later release: it can do more, and once refuses with a code that did not exist before."""

    has_refused: bool = False

    def answer(self, envelope: Envelope) -> Envelope:
        """What the site says to a sealed task."""
        task = Task.model_validate_json(envelope.body)
        if task.stage is not Stage.HELLO and not self.has_refused:
            self.has_refused = True
            return self._refuse(task)
        return super().answer(envelope)

    def _ready(self, task: Task) -> Ready:
        return super()._ready(task).model_copy(update={"features": (*FEATURES, "teleportation")})

    def _refuse(self, task: Task) -> Envelope:
        body = {"type": "refused", "site": self.name, "ask": task.ask, "work_key": None}
        later = canonical_json({**body, "code": "quantum_flux", "correlation": CORRELATION})
        return Envelope(later, seeded_keys(self.name).signing.sign(b"wardround reply\n" + later))


def test_there_is_an_earlier_release_to_speak_with() -> None:
    assert WITH_SCHEMAS


def test_an_aggregator_of_today_works_with_a_site_of_an_earlier_release(
    schemas: dict[str, Any], tmp_path: Path
) -> None:
    bench = Bench(tmp_path, names=("north", "south"), rounds=2)
    bench.sites["south"] = OlderSite("south", bench.plan.digest, cases=17, schema=schemas["task"])
    bench.link.sites = bench.sites
    assert bench.run().complete
    assert bench.models() == expected_models(bench)


def test_a_site_of_today_works_with_an_aggregator_of_an_earlier_release(
    schemas: dict[str, Any], tmp_path: Path
) -> None:
    older = Draft202012Validator(schemas["reply"])
    site = build_site(tmp_path)
    with working_site(site, FakeEngine()) as courier:
        hello = ready(site, courier)
        older.validate(json.loads(canonical_model(hello)))
        task = site.task(Stage.TRAIN, 1, base_model(), hello.cohort)
        for payload in (b"", base_model()):
            older.validate(json.loads(courier.handle(site.sealed(task, payload)).body))
        older.validate(json.loads(canonical_model(until(site, courier, task, base_model(), Done))))


def test_a_site_of_a_later_release_works_with_an_aggregator_of_today(tmp_path: Path) -> None:
    bench = Bench(tmp_path, names=("north", "south"), rounds=2)
    newer = bench.sites["south"] = NewerSite("south", bench.plan.digest, cases=17)
    bench.link.sites = bench.sites
    assert bench.run().complete
    assert newer.has_refused
    assert bench.models() == expected_models(bench)
    assert any("other" in str(entry.facts) for entry in bench.journal("site_trouble"))
