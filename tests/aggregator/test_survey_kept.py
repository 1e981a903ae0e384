"""What a training was begun with stays: neither damage amid it nor another plan changes a fitted value in silence."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from tests.aggregator.bench import Bench
from tests.aggregator.rounds.test_mending import flip, stopped
from tests.aggregator.test_resume import SimulatedCrashError
from tests.aggregator.test_survey import QUESTIONS, all_cases, pooled, surveyed, surveys_asked
from tests.aggregator.test_undo import config_of
from tests.aggregator.test_undo import silent_outputs as silent_outputs
from wardround.aggregator.roster.keyring import Believed, KeyRing
from wardround.aggregator.rounds.outcome import Outcome
from wardround.aggregator.rounds.records import SurveyResult
from wardround.aggregator.rounds.state import SurveyFolder
from wardround.aggregator.undo import describe_foreseen, foresee, undo_rounds
from wardround.engine.basics.problems import InputError
from wardround.federation.protocol import Stage


def without(bench: Bench, site: str) -> Outcome:
    """Run or resume, with the keys of a site revoked: what was decided with it is decided again."""
    member = bench.roster.member(site)
    assert member is not None
    loop = bench.loop()
    loop.run_plan = replace(loop.run_plan, ring=KeyRing({site: Believed(member, revoked=True)}))
    loop.__post_init__()
    return loop.run()


def amid_training(folder: Path) -> Bench:
    """Three sites, one round of two behind them, and the second one open."""
    bench = surveyed(folder, quorum=2, rounds=2, final=False)
    return stopped(bench, "commit", 2)


def damage_an_answer(bench: Bench) -> None:
    """The result of the last question, on mean and spread, is no longer what was written."""
    flip(bench.state.survey(QUESTIONS).folder / "result.json", 90)


def test_a_damaged_survey_changes_nothing_in_a_training_that_has_begun(tmp_path: Path) -> None:
    bench = amid_training(tmp_path)
    before, asked = bench.state.fitted(), surveys_asked(bench)
    damage_an_answer(bench)
    assert without(bench, "south").complete
    assert bench.state.fitted() == before == pooled(all_cases(bench))
    assert surveys_asked(bench) == asked
    tasks = [task for site in bench.sites.values() for task in site.tasks if task.stage is Stage.TRAIN]
    assert {task.round for task in tasks} == {1, 2}
    assert {task.fitted for task in tasks} == {before}


def test_fitted_values_that_are_lost_and_cannot_be_made_again_end_the_start_with_the_way_out(tmp_path: Path) -> None:
    bench = amid_training(tmp_path)
    before = bench.state.fitted()
    kept = (tmp_path / "fitted.json").read_bytes()
    damage_an_answer(bench)
    (tmp_path / "fitted.json").unlink()
    for _ in range(2):
        with pytest.raises(InputError, match="aggregator undo 1") as caught:
            without(bench, "south")
        assert before.digest[:16] in str(caught.value)
        assert str(tmp_path / "fitted.json") in str(caught.value)
        assert len(bench.state.results()) == 1
        assert not (tmp_path / "fitted.json").exists()
    (tmp_path / "fitted.json").write_bytes(kept)
    assert without(bench, "south").complete
    assert bench.state.fitted() == before


def test_other_values_in_the_place_of_those_of_the_rounds_are_made_right_again(tmp_path: Path) -> None:
    bench = amid_training(tmp_path)
    before = bench.state.fitted()
    bench.state.keep_fitted(before.model_copy(update={"cases": before.cases + 1}))
    flip(bench.state.round(1).folder / "order.json", 90)  # the second round's says the same
    assert bench.run().complete
    assert bench.state.fitted() == before


def amid_the_survey(folder: Path, question: int = 1) -> Bench:
    """A run that ended where an answer of all sites would have been committed."""
    bench = surveyed(folder, rounds=1, final=False)
    commit = SurveyFolder.commit

    def guard(self: SurveyFolder, result: SurveyResult) -> None:
        if result.exchange == question:
            raise SimulatedCrashError
        commit(self, result)

    with mock.patch.object(SurveyFolder, "commit", guard), pytest.raises(SimulatedCrashError):
        bench.run()
    return bench


def under_another_plan(bench: Bench, names: tuple[str, ...], rounds: int) -> Bench:
    """The same folder and sites, whose staff has accepted another plan of so many rounds."""
    sites = {name: bench.sites[name] for name in names}
    other = surveyed(bench.folder, names=names, rounds=rounds, final=False, clock=bench.clock, sites=sites)
    for site in other.sites.values():
        site.plan = other.plan.digest
    return other


@pytest.mark.parametrize("question", range(1, QUESTIONS + 1))
@pytest.mark.parametrize("asked", [True, False], ids=["asked", "not asked yet"])
def test_a_plan_that_is_damaged_amid_a_survey_is_not_replaced_by_another(
    tmp_path: Path, question: int, asked: bool
) -> None:
    bench = amid_the_survey(tmp_path, question)
    if not asked and question > 1:  # the question was begun, and nobody has been asked it
        shutil.rmtree(bench.state.survey(question).folder / "inbox")
    flip(tmp_path / "plan.json", 80)
    damaged = (tmp_path / "plan.json").read_bytes()
    with pytest.raises(InputError, match=r"plan\.json"):
        under_another_plan(bench, bench.names, rounds=7).run()
    assert (tmp_path / "plan.json").read_bytes() == damaged
    for site in bench.sites.values():
        site.plan = bench.plan.digest
    assert bench.run().complete
    assert bench.state.fitted() == pooled(all_cases(bench))


def test_a_plan_that_is_damaged_before_a_new_round_is_asked_for_is_not_replaced_by_another(tmp_path: Path) -> None:
    bench = stopped(Bench(tmp_path, rounds=2), "commit", 2)
    shutil.rmtree(bench.state.round(2).folder / "inbox")
    flip(tmp_path / "plan.json", 80)
    with pytest.raises(InputError, match=r"plan\.json"):
        Bench(tmp_path, rounds=7).run()
    assert bench.run().complete


def carried_on(bench: Bench, names: tuple[str, ...] = ("east", "north")) -> Bench:
    """The same folder under a new plan of these sites, after no round of training."""
    other = under_another_plan(bench, names, rounds=1)
    bench.state.carry_on(other.plan, other.study, other.roster, 0)
    return other


@pytest.mark.parametrize("question", range(1, QUESTIONS + 1))
def test_a_question_that_was_decided_with_a_site_that_left_is_asked_of_the_others(
    tmp_path: Path, question: int
) -> None:
    bench = amid_the_survey(tmp_path, question)
    decision = bench.state.survey(question).decision()
    assert decision is not None
    assert "south" in decision.sites
    other = carried_on(bench)
    assert other.run().complete
    assert other.state.fitted() == pooled(all_cases(other))


def test_a_decision_for_a_site_that_is_not_asked_does_not_hold(tmp_path: Path) -> None:
    """A folder of before may have one: a survey used to stay where it was when its plan was replaced."""
    bench = amid_the_survey(tmp_path)
    other = carried_on(bench)
    (tmp_path / "rounds" / "0000-aside-1").rename(tmp_path / "rounds" / "0000")
    assert other.run().complete
    assert other.state.fitted() == pooled(all_cases(other))


@pytest.mark.usefixtures("silent_outputs")
def test_the_way_back_from_a_site_whose_answers_were_wrong(tmp_path: Path) -> None:
    bench = surveyed(tmp_path / "state", rounds=2)
    bench.sites["south"].voxels = tuple(1000 * voxels for voxels in bench.sites["south"].voxels)
    assert bench.run().complete
    poisoned, config = bench.state.fitted(), config_of(tmp_path, bench)
    assert poisoned == pooled(all_cases(bench))
    told = [" ".join(describe_foreseen(foresee(config, number))) for number in (1, 2)]
    assert ["aggregator continue" in line for line in told] == [True, False]
    undo_rounds(config, 1)
    assert bench.state.fitted() == poisoned, "an undo alone keeps it"
    other = carried_on(bench)
    assert not other.state.has_begun
    assert other.run().complete
    assert other.state.fitted() == pooled(all_cases(other)) != poisoned
    work = [task for site in other.sites.values() for task in site.tasks if task.plan == other.plan.digest]
    assert {task.fitted for task in work if task.stage is Stage.TRAIN} == {other.state.fitted()}
    aside = bench.folder / "rounds" / "0000-aside-1"
    assert len(list(aside.glob("*/result.json"))) == QUESTIONS, "what was answered before is kept"
