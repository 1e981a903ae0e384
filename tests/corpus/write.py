"""Write what this release writes: `python -m tests.corpus.write tests/corpus/<release>`, once for every release.

What lies in the folder of a release is never written again: the tests beside this file open it with today's code.
Every key is derived from a name (`tests.aggregator.fakes.seeded_keys`), so that the corpus holds no secret.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from tests.aggregator.bench import Bench
from tests.aggregator.fakes import coordinator_key, roster_of, seeded_keys
from tests.corpus.schemas import write_keys
from tests.site_client.asking import ready, until
from tests.site_client.support import (
    FakeEngine,
    Site,
    allow_few,
    base_model,
    invitation_for,
    quicken,
    working_site,
)
from tests.support.checkout import CHECKOUT
from tests.support.images import write_segmentation_cohort
from tests.support.studies import CLASSIFICATION, REGRESSION, SEGMENTATION, changed, study_of, write_study
from wardround import __version__
from wardround.aggregator.rounds.state import RoundFolder
from wardround.engine.basics.canonical import canonical_model, sha256_hex
from wardround.engine.parts import Kind, Part, builtin_and_plugins
from wardround.engine.preprocessing.fitted import FittedState, Scale, StepState, Window
from wardround.engine.preprocessing.requests import BINS, AskHistogram, Range, Request
from wardround.engine.study import Study, load_study, study_to_bytes
from wardround.federation.identities import EnrolmentRequest, Roster, SiteKeys
from wardround.federation.invitation import SignedInvitation, save_invitation
from wardround.federation.payload import pack
from wardround.federation.protocol import (
    FEATURES,
    REPLY,
    Checks,
    Concluded,
    Continuation,
    Done,
    Horizon,
    Leaves,
    MetricValue,
    Missing,
    Plan,
    Ready,
    RefusalCode,
    Refused,
    Reply,
    Requirements,
    Stage,
    Task,
    Weights,
    Working,
)
from wardround.site_client.agreement.agreement import pin
from wardround.site_client.agreement.settings import load_settings
from wardround.site_client.setup.new_site import create_site

DIGEST = sha256_hex(b"corpus")
ASK = "0123456789abcdef" * 2
_REQUIRED: dict[str, dict[str, Any]] = {
    "resample": {"spacing": [1.5, 1.5, 1.5]},
    "resize": {"size": [16, 16, 16]},
    "clip": {"low": 0.0, "high": 1.0},
}


class StoppedError(BaseException):
    """The process is gone at this point."""


def write_studies(folder: Path) -> None:
    """The canonical studies of the ready configs, and of each part with its defaults."""
    folder.mkdir(parents=True)
    for path in sorted((CHECKOUT / "configs").glob("*/study.yaml")):
        (folder / f"config-{path.parent.name}.json").write_bytes(study_to_bytes(load_study(path)))
    for part in builtin_and_plugins().parts():
        (folder / f"part-{part.kind}-{part.name}.json").write_bytes(study_to_bytes(study_with(part)))


def study_with(part: Part) -> Study:
    """A small study that uses one part with nothing but what must be given."""
    wanted = {"name": part.name, **_REQUIRED.get(part.name, {})}
    bases = [
        base for base in (SEGMENTATION, CLASSIFICATION, REGRESSION) if not part.tasks or base["task"] in part.tasks
    ]
    bases = [base for base in bases if part.kind is not Kind.TASK or base["task"] == part.name]
    base = bases[0]
    sections = {
        Kind.PREPROCESSING: {"preprocessing": [wanted]},
        Kind.AUGMENTATION: {"augmentation": [wanted]},
        Kind.NETWORK: {"model": {**wanted, "dimensions": len(base["patches"]["size"])}},
        Kind.LOSS: {"training": {"loss": wanted, "epochs": 2}},
        Kind.METRIC: {"validation": {"metrics": [wanted], "select": part.name}},
        Kind.OPTIMIZER: {"training": {**base["training"], "optimizer": wanted}},
        Kind.SCHEDULE: {"training": {**base["training"], "schedule": wanted}},
        Kind.POSTPROCESSING: {"inference": {"postprocessing": [wanted]}},
        Kind.TASK: {},
    }
    return study_of(changed(base, **sections[part.kind]))


def write_run(folder: Path) -> None:
    """An aggregator's state: two rounds that are committed, and a third that is decided but not folded."""
    bench = Bench(folder, names=("north", "south"), rounds=4)
    real = RoundFolder.commit

    def commit(self: RoundFolder, result: object) -> None:
        if self.folder.name == "0003":
            raise StoppedError
        real(self, result)  # type: ignore[arg-type]

    with mock.patch.object(RoundFolder, "commit", commit):
        try:
            bench.run()
        except StoppedError:
            (folder / "lock").unlink(missing_ok=True)
            return
    raise AssertionError("the third round was committed")


def write_site(folder: Path) -> None:
    """A site amid a run: round 1 accepted, round 2 in the outbox."""
    site = seeded_site(folder)
    with working_site(site, FakeEngine()) as courier:
        cohort = ready(site, courier).cohort
        first = site.task(Stage.TRAIN, 1, base_model(), cohort)
        until(site, courier, first, base_model(), Done)
        second = site.task(Stage.TRAIN, 2, base_model(0.25), cohort, accepted=first.work_key)
        until(site, courier, second, base_model(0.25), Done)
    for path in (*(folder / "keys").iterdir(), *(folder / "work").glob("*.lock")):
        path.unlink()
    (folder / "keys").rmdir()


def put_seeded_keys(folder: Path) -> None:
    """The seeded keys of `north` as files, in place of the ones that `init` made."""
    from wardround.federation import identities

    keys = seeded_keys("north")
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, key in ((identities.SIGNING_FILE, keys.signing), (identities.TRANSPORT_FILE, keys.transport)):
        (folder / name).unlink(missing_ok=True)
        identities.write_private(folder / name, identities._pem(key))


def seeded_site(folder: Path) -> Site:
    """The site `north` with seeded keys, which has accepted an invitation."""
    create_site(folder, "north", folder / "data.csv")
    put_seeded_keys(folder / "keys")
    quicken(folder / "site.yaml")
    allow_few(folder / "policy.yaml")
    request = EnrolmentRequest.create("north", SiteKeys.load(folder / "keys"))
    request.save(folder / "north.pub")
    invitation = invitation_for(coordinator_key(), Roster.of((request.member,)))
    save_invitation(folder / "invitation.json", invitation, coordinator_key())
    pin(load_settings(folder / "site.yaml").accepted, SignedInvitation.by(invitation, coordinator_key()))
    return Site(folder, coordinator_key(), invitation)


def messages() -> Iterator[tuple[str, Task | Reply]]:
    """One message of each kind, with every key that this release has."""
    roster = roster_of(("north", "south"))
    plan = Plan(
        federation="corpus",
        study=DIGEST,
        horizon=Horizon(rounds=4, local_steps=5),
        strategy="fedavg",
        fold=1,
        roster=roster.digest,
    )
    yield "task-hello", Task(site="north", plan=plan.digest, stage=Stage.HELLO, round=0, ask=ASK, offer=plan)
    for stage in (Stage.TRAIN, Stage.EVALUATE):
        yield (
            f"task-{stage.value}",
            Task(
                site="north",
                plan=plan.digest,
                stage=stage,
                round=3,
                base=DIGEST,
                work_key=DIGEST,
                accepted=DIGEST,
                ask=ASK,
            ),
        )
    yield (
        "ready",
        Ready(
            site="north",
            ask=ASK,
            plan=plan.digest,
            cohort=DIGEST,
            train_cases=9,
            validation_cases=3,
            version=__version__,
        ),
    )
    yield "missing", Missing(site="north", ask=ASK, work_key=DIGEST)
    for phase in ("queued", "preparing", "evaluating", "training", "packing"):
        yield (
            f"working-{phase}",
            Working(site="north", ask=ASK, work_key=DIGEST, phase=phase, step=2, steps=5, seconds_left=3.5),  # type: ignore[arg-type]
        )
    for code in RefusalCode:
        yield f"refused-{code.value}", Refused(site="north", ask=ASK, code=code, correlation="0123456789abcdef")
    metrics = {"dice": MetricValue(value=0.5, count=3), "test.dice.inner": MetricValue(value=0.25, count=2)}
    yield (
        "done",
        Done(site="north", work_key=DIGEST, update=DIGEST, train_cases=9, loss=0.5, metrics=metrics, seconds=1.5),
    )


def full_messages() -> Iterator[tuple[str, Task | Reply]]:
    """Messages with a value in every key that joined the protocol after its first release."""
    plan = Plan(
        federation="corpus",
        study=DIGEST,
        horizon=Horizon(rounds=8, local_steps=5),
        strategy="fedavg",
        roster=roster_of(("north", "south")).digest,
        leaves=Leaves(metrics=("dice", "loss"), test=False),
        weights=Weights(by="cases", cap=0.5),
        validation=Checks(every=2, max_cases=20),
        require=Requirements(patient_column=True),
        after=Continuation(plan=DIGEST, rounds=4, model=DIGEST),
    )
    names = ("north", "south")
    hello = Task(site="north", plan=plan.digest, stage=Stage.HELLO, round=0, ask=ASK, offer=plan, features=FEATURES)
    yield "task-hello-full", hello.model_copy(update={"names": names})
    yield "task-conclude", Task(site="north", plan=plan.digest, stage=Stage.CONCLUDE, round=8, base=DIGEST, ask=ASK)
    yield "concluded", Concluded(site="north", ask=ASK, plan=plan.digest)
    ready = Ready(
        site="north", ask=ASK, plan=plan.digest, cohort=DIGEST, train_cases=9, validation_cases=3, version=__version__
    )
    yield "ready-full", ready.model_copy(update={"features": FEATURES, "test_cases": 4})
    done = Done(site="north", work_key=DIGEST, update=DIGEST, train_cases=9, loss=0.5, metrics={}, seconds=1.5)
    yield "done-full", done.model_copy(update={"state_lost": True, "numbers": {"drift": 0.5}})
    yield from _survey(plan, done)


def _survey(plan: Plan, done: Done) -> Iterator[tuple[str, Task | Reply]]:
    """A question about the cases and its answer, and the training that brings what was learned."""
    request = Request(place=0, parts=1, ask=AskHistogram(ranges=(Range(low=0.0, high=1024.0),), bins=BINS))
    answer = request.answer([np.arange(1024, dtype=np.float32)])
    asked = Task(site="north", plan=plan.digest, stage=Stage.SURVEY, round=0, base=DIGEST, work_key=DIGEST, ask=ASK)
    yield "task-survey", asked.model_copy(update={"exchange": 2})
    yield "done-survey", done.model_copy(update={"update": None, "loss": None, "summary": answer})
    steps = (
        StepState(place=0, channels=(Window(low=3.5, high=1000.0),)),
        StepState(place=1, channels=(Scale(mean=400.0, deviation=120.5),)),
    )
    state = FittedState(cases=9, steps=steps, truth=(Scale(mean=43.5, deviation=7.25),))
    yield "task-fitted", asked.model_copy(update={"stage": Stage.TRAIN, "round": 1, "fitted": state})


def write_messages(folder: Path) -> None:
    """Bodies of messages, and a packed model."""
    folder.mkdir()
    for name, message in (*messages(), *full_messages()):
        (folder / f"{name}.json").write_bytes(canonical_model(message))
    (folder / "model.safetensors").write_bytes(pack({"model/weight": np.arange(6, dtype=np.float32).reshape(2, 3)}))


def write_schemas(folder: Path) -> None:
    """What this release takes from its peers, as JSON schemas: `task` at a site, `reply` at an aggregator."""
    schemas = {"task": Task.model_json_schema(), "reply": REPLY.json_schema()}
    (folder / "schemas.json").write_text(json.dumps(schemas, indent=1, sort_keys=True) + "\n")


def write_trained(folder: Path) -> None:
    """A run folder with its trained model, and what the model answers for one picture."""
    import shutil
    import tempfile

    from wardround.engine.cli.fit import fit

    with tempfile.TemporaryDirectory() as place:
        manifest = write_segmentation_cohort(Path(place), cases=8, shape=(24, 28))
        study = changed(
            SEGMENTATION,
            inputs=["grey"],
            preprocessing=[{"cohort_clip": {"within": "foreground"}}, {"cohort_normalize": {"within": "all"}}],
            patches={"size": [16, 16], "per_case": 1},
            model={"name": "unet", "dimensions": 2, "filters": 4, "levels": 2},
            training={"loss": "dice_ce", "steps": 8, "batch_size": 2},
        )
        write_study(Path(place) / "study.yaml", study)
        run = Path(place) / "run"
        fit(Path(place) / "study.yaml", manifest, run, folds="0", device="cpu", threads=1)
        shutil.copytree(run, folder, ignore=shutil.ignore_patterns("work", "store", "*.png", "*.html", "tensorboard"))
    write_answer(folder)


def write_answer(folder: Path) -> None:
    """One picture and what the network makes of it."""
    import torch

    from wardround.engine.experiments.models import load_model

    model = load_model(next(folder.rglob("model.safetensors")).parent, device="cpu")
    picture = np.random.default_rng(0).normal(size=(1, 1, 16, 16)).astype(np.float32)
    with torch.no_grad():
        answer = model.network(torch.from_numpy(picture)).numpy()
    np.savez_compressed(folder / "answer.npz", picture=picture, answer=answer)


def write(folder: Path) -> None:
    """Everything, into a new folder."""
    folder.mkdir(parents=True)
    write_studies(folder / "studies")
    write_messages(folder / "messages")
    write_schemas(folder)
    write_keys(folder / "keys.json")
    write_run(folder / "aggregator")
    write_site(folder / "site")
    write_trained(folder / "run")
    digests = {path.stem: sha256_hex(path.read_bytes()) for path in sorted((folder / "studies").iterdir())}
    (folder / "digests.json").write_text(json.dumps(digests, indent=1) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
