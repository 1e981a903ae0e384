"""Today's code opens what every earlier release wrote, with the digests, bytes and weights that it had there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from tests.aggregator.bench import Bench, expected_models
from tests.aggregator.fakes import coordinator_key, seeded_keys
from tests.corpus.write import put_seeded_keys
from tests.site_client.asking import ask, ready, until
from tests.site_client.support import FakeEngine, Site, base_model, working_site
from wardround.engine.basics.canonical import canonical_model, sha256_hex
from wardround.engine.basics.files import read_checked
from wardround.engine.experiments.models import METRICS, load_model, write_study
from wardround.engine.experiments.run_record import Metrics, RunRecord
from wardround.engine.study import load_study, study_from_bytes, study_to_bytes
from wardround.federation.event_log import read_entries
from wardround.federation.identities import EnrolmentRequest
from wardround.federation.invitation import load_invitation
from wardround.federation.payload import unpack
from wardround.federation.protocol import REPLY, Done, Reply, Stage, Task
from wardround.site_client.agreement.agreement import load_agreement
from wardround.site_client.between.folders import Outbox, entries
from wardround.site_client.events import Event, Role

RELEASES = sorted(path for path in Path(__file__).parent.iterdir() if (path / "digests.json").exists())
STUDIES = [path for release in RELEASES for path in sorted((release / "studies").iterdir())]
MESSAGES = [path for release in RELEASES for path in sorted((release / "messages").glob("*.json"))]
_MESSAGE: TypeAdapter[Task | Reply] = TypeAdapter(Task | Reply)


def _name(path: Path) -> str:
    return f"{path.parent.name if path.suffix else ''}{path.parent.parent.name} {path.stem}"


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def release(request: pytest.FixtureRequest) -> Path:
    """The folder of one release."""
    folder: Path = request.param
    return folder


def test_there_is_something_to_open() -> None:
    assert RELEASES
    assert len(STUDIES) > 20 * len(RELEASES)
    assert len(MESSAGES) > 20 * len(RELEASES)


@pytest.mark.parametrize("path", STUDIES, ids=_name)
def test_a_study_keeps_its_bytes_and_its_digest(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    study = study_from_bytes(content)
    assert study_to_bytes(study) == content
    assert study.digest == json.loads((path.parent.parent / "digests.json").read_text())[path.stem]
    write_study(tmp_path / "study.yaml", study)
    assert load_study(tmp_path / "study.yaml").digest == study.digest


@pytest.mark.parametrize("path", MESSAGES, ids=_name)
def test_a_message_keeps_its_bytes(path: Path) -> None:
    content = path.read_bytes()
    kind = json.loads(content)["type"]
    message = Task.model_validate_json(content) if kind == "task" else REPLY.validate_json(content)
    assert canonical_model(message) == content


def test_a_packed_model_is_opened(release: Path) -> None:
    arrays = unpack((release / "messages" / "model.safetensors").read_bytes())
    assert np.array_equal(arrays["model/weight"], np.arange(6, dtype=np.float32).reshape(2, 3))


def test_an_invitation_and_a_request_still_hold(release: Path) -> None:
    invitation = load_invitation(release / "site" / "invitation.json")
    assert invitation.plan.digest == load_agreement(release / "site" / "accepted.json").plan.digest
    assert EnrolmentRequest.load(release / "site" / "north.pub").proven


def test_an_open_run_goes_on_to_the_same_weights(release: Path, tmp_path: Path) -> None:
    shutil.copytree(release / "aggregator", tmp_path / "state")
    bench = Bench(tmp_path / "state", names=("north", "south"), rounds=4)
    assert len(bench.state.results()) == 2
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    assert list(read_entries(release / "aggregator" / "events.jsonl"))


def _opened_site(release: Path, folder: Path) -> Site:
    shutil.copytree(release / "site", folder)
    put_seeded_keys(folder / "keys")
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o022)
    return Site(folder, coordinator_key(), load_agreement(folder / "accepted.json").invitation)


def test_a_site_amid_a_run_sends_what_it_had_and_goes_on(release: Path, tmp_path: Path) -> None:
    site = _opened_site(release, tmp_path / "site")
    outbox = Outbox.under(site.settings.work)
    (key,) = entries(outbox.root)
    kept = outbox.get(key)
    assert kept is not None
    engine = FakeEngine()
    with working_site(site, engine) as courier:
        cohort = ready(site, courier).cohort
        again = site.task(Stage.TRAIN, 2, base_model(0.25), cohort, accepted=sha256_hex(b"not this"))
        assert again.work_key == key
        sent = courier.handle(site.sealed(again))
        assert (sent.body, sent.payload) == (kept.body, kept.payload)
        third = site.task(Stage.TRAIN, 3, base_model(0.75), cohort, accepted=key)
        assert isinstance(until(site, courier, third, base_model(0.75), Done), Done)
        assert ask(site, courier, third)[1] != kept.payload
    assert engine.calls == ["evaluate validation", "train 8-12 carried ['optimizer']"]
    assert Event.STATE_LOST not in site.events(Role.WORKER)
    assert seeded_keys("north").signing_public == site.keys.signing_public


def test_a_trained_model_answers_as_it_did(release: Path) -> None:
    import torch

    folder = release / "run" / "fold-0"
    model = load_model(folder / "model", device="cpu")
    stored = np.load(release / "run" / "answer.npz")
    with torch.no_grad():
        answer = model.network(torch.from_numpy(stored["picture"])).numpy()
    # Other processors and library versions add in another order.
    assert np.allclose(answer, stored["answer"], atol=1e-4)
    assert Metrics.model_validate_json((folder / "model" / METRICS).read_bytes()).study
    assert RunRecord.model_validate_json(read_checked(folder / "run.json")).identity
    assert model.state.is_empty == (release.name in ("0.1.0", "0.2.0")), "later ones fit preprocessing"
