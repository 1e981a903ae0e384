"""A training that is carried on: from a given model, with more rounds, with another roster."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.aggregator.bench import Bench, expected_models, initial, mean_of
from tests.aggregator.fakes import trained
from tests.aggregator.home import aggregator, make_home, request, rewrite
from tests.aggregator.test_resume import SimulatedCrashError, crashing_at
from tests.support.studies import SEGMENTATION, changed, write_study
from wardround.aggregator.coordination import Coordination, load_coordination
from wardround.aggregator.initial import given_arrays
from wardround.aggregator.rounds.records import ExchangeOrder, accepted_keys
from wardround.aggregator.rounds.state import StateFolder
from wardround.engine.preprocessing.fitting import Fitting
from wardround.engine.preprocessing.requests import Request
from wardround.federation.invitation import load_invitation
from wardround.federation.model_group import initial_arrays
from wardround.federation.payload import pack, payload_digest
from wardround.federation.protocol import Checks, Continuation, Plan, Stage
from wardround.lab.processes import free_port


def carried_on(bench: Bench, names: tuple[str, ...], rounds: int) -> Bench:
    """The same state folder and sites, under a new plan that all have accepted."""
    results = [result for result in bench.state.results() if result.stage is Stage.TRAIN]
    new = Bench(bench.folder, names=names, rounds=rounds, final=bench.final, clock=bench.clock)
    after = Continuation(plan=bench.plan.digest, rounds=len(results), model=results[-1].model)
    new.plan = new.plan.model_copy(update={"after": after})
    for name in names:
        new.sites[name] = bench.sites.get(name) or new.sites[name]
        new.sites[name].plan = new.plan.digest
    bench.state.carry_on(new.plan, new.study, new.roster, len(results))
    return new


@pytest.mark.parametrize("final", [True, False])
def test_four_rounds_and_four_more_are_eight_rounds(tmp_path: Path, final: bool) -> None:
    whole = Bench(tmp_path / "whole", rounds=8, final=final)
    assert whole.run().complete
    parts = Bench(tmp_path / "parts", rounds=4, final=final)
    assert parts.run().complete
    more = carried_on(parts, parts.names, 8)
    assert more.run().complete
    assert more.models() == whole.models()
    assert [result.round for result in more.state.results()] == [result.round for result in whole.state.results()]
    for name in parts.names:
        tasks = [task for task in more.sites[name].tasks if task.stage is Stage.TRAIN and task.round == 5]
        assert {task.accepted for task in tasks} == {accepted_keys(more.state.results()[:4])[name]}


@pytest.mark.parametrize("every", [1, 2, 3, 5])
@pytest.mark.parametrize("first", [3, 4])
def test_the_model_that_a_training_was_left_with_is_scored_when_it_is_carried_on(
    tmp_path: Path, every: int, first: int
) -> None:
    """Its final evaluation is set aside with the plan before, so that nothing else would score it."""
    bench = Bench(tmp_path, rounds=first)
    assert bench.run().complete
    more = carried_on(bench, bench.names, 9)
    more.plan = more.plan.model_copy(update={"validation": Checks(every=every)})
    more.state.carry_on(more.plan, more.study, more.roster, first)
    for site in more.sites.values():
        site.plan, site.scores_in = more.plan.digest, more.plan.scores_in
        site.metric = lambda number: 0.75 if number == first + 1 else 0.25
    loop = more.loop()
    assert loop.run().complete
    best = loop.best()
    assert best is not None
    assert (best.round, best.model) == (first, more.models()[first - 1])


def test_sites_come_and_go_and_what_was_learned_stays(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=2)
    assert bench.run().complete
    old = [result.model_dump(mode="json") for result in bench.state.results()[:2]]
    more = carried_on(bench, ("east", "south", "west"), 4)
    assert more.run().complete
    assert [result.model_dump(mode="json") for result in more.state.results()[:2]] == old
    model = initial()
    for number in range(1, 5):
        names = bench.names if number <= 2 else more.names
        sites = {**bench.sites, **more.sites}
        updates = {name: trained(model, name, number) for name in names}
        total = sum(sites[name].cases for name in names)
        together = replace(more, sites=sites)
        model = {key: mean_of(key, updates, together, total) for key in model}
        assert more.models()[number - 1] == payload_digest(pack(model))
    assert all(task.round <= 3 for task in bench.sites["north"].tasks)


def test_a_round_that_was_open_begins_anew_without_the_site_that_left(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=4, below_quorum="stop", deadline=50.0)
    bench.link.away = lambda site, now: site == "north" and now > 5
    assert not bench.run().complete
    done = len(bench.state.results())
    assert 0 < done < 4
    more = carried_on(bench, ("east", "south"), 4)
    assert more.run().complete
    absent = {number: {"north"} for number in range(done + 1, 5)}
    assert more.models() == expected_models(bench, absent)


def home_amid_a_run(folder: Path) -> tuple[Path, Coordination]:
    """A coordinator's folder whose run has two of three rounds behind it."""
    config = make_home(folder, free_port(), names=("east", "north", "south"))
    found = load_coordination(config)
    bench = Bench(folder / "bench", rounds=3)
    bench.run()
    shutil.rmtree(bench.folder / "rounds" / "0004")
    (bench.folder / "rounds" / "0003" / "result.json").unlink()
    state = StateFolder(found.folders.state)
    shutil.copytree(bench.folder / "rounds", state.root / "rounds")
    state.pin(found.plan, found.study, found.roster)
    return config, found


def continued(config: Path, *words: object) -> tuple[int, str, Plan]:
    """Run `aggregator continue`; its code, what it said, and the plan of the invitation."""
    out = config.parent / "invitation.json"
    outcome = aggregator("continue", "--config", config, "--out", out, *words)
    return (
        outcome.code,
        outcome.out + outcome.err,
        load_invitation(out).plan if out.exists() else Plan.model_construct(),
    )


def test_more_rounds_are_a_command_that_says_what_changes(tmp_path: Path) -> None:
    config, before = home_amid_a_run(tmp_path)
    code, said, plan = continued(config, "--rounds", 8)
    assert (code, "rounds 3 -> 8" in said) == (0, True)
    assert plan.after == Continuation(
        plan=before.plan.digest, rounds=2, model=StateFolder(before.folders.state).results()[-1].model
    )
    after = load_coordination(config)
    assert (after.plan, after.settings.horizon.rounds) == (plan, 8)
    assert "# the learning-rate schedule" in config.read_text()
    state = StateFolder(after.folders.state)
    state.require(after.plan, after.study, after.roster)
    assert [result.round for result in state.results()] == [1, 2]
    assert state.round(3).order() is None
    assert len(list((state.root / "plans").glob("*.json"))) == 2


def test_sites_are_added_removed_and_given_new_keys(tmp_path: Path) -> None:
    config, _ = home_amid_a_run(tmp_path)
    assert aggregator("enroll", "west", request(tmp_path, "west"), "--config", config).code == 0
    assert aggregator("remove", "east", "--config", config).code == 0
    assert aggregator("replace", "north", request(tmp_path, "north", "another"), "--config", config).code == 0
    started = aggregator("--config", config)
    assert started.code == 2
    for line in ("west was added", "east was removed", "north has another signing key", "aggregator continue"):
        assert line in started.err
    code, said, plan = continued(config)
    assert code == 0
    assert "west was added" in said
    assert plan.roster == load_coordination(config).roster.digest
    assert load_coordination(config).plan == plan


def test_rounds_of_the_plan_before_are_not_undone(tmp_path: Path) -> None:
    config, found = home_amid_a_run(tmp_path)
    assert continued(config, "--rounds", 8)[0] == 0
    outcome = aggregator("undo", 2, "--yes", "--config", config)
    assert (outcome.code, "the plan before" in outcome.err) == (2, True)
    assert len(StateFolder(found.folders.state).results()) == 2


def test_a_plan_under_which_nothing_was_done_is_replaced(tmp_path: Path) -> None:
    config, _ = home_amid_a_run(tmp_path)
    first = continued(config, "--rounds", 8)[2]
    second = continued(config, "--rounds", 9)[2]
    assert second.after == first.after


@pytest.mark.parametrize(
    ("words", "change", "said"),
    [
        ((), None, "nothing has changed"),
        (("--rounds", 2), None, "no round left"),
        (("--rounds", 8), ("local_steps: 7", "local_steps: 9"), "local_steps 7 -> 9"),
        (("--rounds", 8), ('federation: "brains"', "federation: hearts"), "federation brains -> hearts"),
        (("--rounds", 8), ("fold: 0 ", "fold: 1 "), "fold"),
    ],
)
def test_what_cannot_be_carried_on_is_refused_and_changes_nothing(
    tmp_path: Path, words: tuple[object, ...], change: tuple[str, str] | None, said: str
) -> None:
    config, before = home_amid_a_run(tmp_path)
    if change is not None:
        rewrite(config, *change)
    text = config.read_text()
    code, output, _ = continued(config, *words)
    assert (code, said in output) == (2, True)
    assert config.read_text() == text
    assert StateFolder(before.folders.state).pinned() == before.plan


def test_before_a_run_and_while_it_goes_on_there_is_nothing_to_carry_on(tmp_path: Path) -> None:
    config = make_home(tmp_path / "new", free_port())
    assert "nothing to carry on yet" in continued(config, "--rounds", 8)[1]
    config, before = home_amid_a_run(tmp_path / "old")
    with StateFolder(before.folders.state).locked():
        code, said, _ = continued(config, "--rounds", 8)
    assert (code, "another aggregator runs" in said) == (2, True)


def test_a_crash_while_it_is_carried_on_leaves_the_old_plan_or_the_new(tmp_path: Path) -> None:
    for step in range(1, 40):
        bench = Bench(tmp_path / str(step), names=("north", "south"), rounds=1)
        bench.run()
        try:
            with crashing_at(step):
                more = carried_on(bench, ("north", "south", "west"), 2)
        except SimulatedCrashError:
            more = carried_on(bench, ("north", "south", "west"), 2)
            assert more.run().complete
            continue
        assert step > 3
        assert more.run().complete
        return


# -- a given model


def save(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """A safetensors file."""
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(arrays, path)
    return path


def network_arrays(config: Path) -> dict[str, np.ndarray]:
    """Arrays that fit the federation's study."""
    study = load_coordination(config).study
    return {name.removeprefix("model/"): array + 1 for name, array in initial_arrays(study).items()}


def with_initial(config: Path, value: str) -> None:
    """Name a model in a federation file."""
    rewrite(config, "# initial: model ", f"initial: {value} #")


@pytest.mark.parametrize("form", ["folder", "file"])
def test_a_given_model_is_part_of_the_plan_and_the_first_base(tmp_path: Path, form: str) -> None:
    config = make_home(tmp_path, free_port())
    plain, arrays = load_coordination(config).plan, network_arrays(config)
    path = save(tmp_path / "given" / "model.safetensors", arrays)
    with_initial(config, "given" if form == "folder" else "given/model.safetensors")
    found = load_coordination(config)
    assert plain.initial is None
    assert found.plan.initial == payload_digest(pack(given_arrays(path, found.study)))
    state = StateFolder(found.folders.state)
    assert state.arrays.put(given_arrays(path, found.study)) == found.plan.initial
    state.pin(found.plan, found.study, found.roster)
    shutil.rmtree(path.parent)
    assert load_coordination(config).plan == found.plan


def test_a_model_that_the_run_would_write_over_is_refused(tmp_path: Path) -> None:
    config = make_home(tmp_path, free_port())
    save(tmp_path / "results" / "best" / "model.safetensors", network_arrays(config))
    with_initial(config, "results/best")
    assert "Copy it to another folder" in aggregator("check", "--config", config).err


def test_that_a_new_plan_has_a_survey_of_its_own_is_said_where_no_round_is_done(tmp_path: Path) -> None:
    config = make_home(tmp_path, free_port(), names=("east", "north"))
    write_study(tmp_path / "study.yaml", changed(SEGMENTATION, preprocessing=["cohort_normalize"]))
    found = load_coordination(config)
    state = StateFolder(found.folders.state)
    state.pin(found.plan, found.study, found.roster)
    request_of = Fitting(found.study).next_request(())
    assert isinstance(request_of, Request)
    asked = ExchangeOrder(round=0, stage=Stage.SURVEY, base=request_of.digest, sites=found.roster.names)
    state.survey(1).begin(asked)
    assert aggregator("remove", "east", "--config", config).code == 0
    code, said, plan = continued(config)
    assert (code, plan.after) == (0, None)
    assert "training cases are surveyed" in said
    assert not state.has_begun
