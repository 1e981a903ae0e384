"""Best-model selection: direction, common sites, ties."""

from __future__ import annotations

import pytest

from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of
from wardround.aggregator.rounds.records import RoundResult, SiteResult
from wardround.aggregator.rounds.selection import Selection, merged_metrics
from wardround.federation.protocol import MetricValue, Stage

Scores = dict[str, tuple[float, int]]


def result(number: int, scores: Scores, metric: str = "dice") -> RoundResult:
    """A round in which the sites gave the incoming model these scores over so many cases."""
    sites = tuple(
        SiteResult(
            site=name,
            work_key="0" * 64,
            update="1" * 64,
            train_cases=5,
            loss=1.0,
            metrics={metric: MetricValue(value=value, count=count)},
            seconds=1.0,
        )
        for name, (value, count) in sorted(scores.items())
    )
    return RoundResult(
        round=number,
        stage=Stage.TRAIN,
        base=f"{number - 1:064x}",
        model=f"{number:064x}",
        state="0" * 64,
        sites=sites,
        absent=(),
        seconds=1.0,
        finished="",
    )


def best_round(results: list[RoundResult], *, higher: bool = True) -> int | None:
    """The round whose model is best."""
    best = Selection("dice", higher).best(results)
    return None if best is None else best.round


def history(*values: float) -> list[RoundResult]:
    """Rounds with one site and these scores."""
    return [result(number, {"north": (value, 4)}) for number, value in enumerate(values, start=1)]


def test_the_highest_or_the_lowest_wins_as_the_metric_says() -> None:
    assert best_round(history(0.1, 0.9, 0.5)) == 1
    assert best_round(history(0.1, 0.9, 0.05), higher=False) == 2


@pytest.mark.parametrize(("metric", "higher"), [("dice", True), ("hd95", False), ("nsd", True)])
def test_the_direction_is_the_metrics_own(metric: str, higher: bool) -> None:
    validation = {"metrics": ["dice", "hd95", "nsd"], "select": metric}
    assert Selection.of(study_of(changed(SEGMENTATION, validation=validation))) == Selection(metric, higher)
    assert Selection.of(study_of(CLASSIFICATION)) == Selection("auc", True)


def test_of_equal_models_the_older_stays() -> None:
    assert best_round(history(0.5, 0.5, 0.5)) == 0


def test_sites_weigh_by_their_cases() -> None:
    first = result(1, {"north": (0.6, 10), "south": (0.6, 10)})
    second = result(2, {"north": (0.9, 1), "south": (0.5, 99)})
    assert best_round([first, second]) == 0
    assert merged_metrics(second)["dice"].value == pytest.approx(0.504)


def test_models_are_compared_over_the_sites_that_scored_both() -> None:
    # South is a hard site: the second model looks better only because south was away.
    first = result(1, {"north": (0.8, 10), "south": (0.2, 10)})
    second = result(2, {"north": (0.7, 10)})
    assert best_round([first, second]) == 0
    better = result(2, {"north": (0.85, 10)})
    assert best_round([first, better]) == 1


def test_without_a_common_site_the_older_stays() -> None:
    assert best_round([result(1, {"north": (0.1, 5)}), result(2, {"south": (0.9, 5)})]) == 0


def test_a_score_over_no_cases_is_no_score() -> None:
    assert best_round([result(1, {"north": (0.9, 0)}), result(2, {"north": (0.3, 5)})]) == 1
    assert best_round([result(1, {"north": (0.9, 0)})]) is None


def test_a_site_that_withholds_the_metric_does_not_take_part_in_the_choice() -> None:
    first = result(1, {"north": (0.5, 5)})
    second = result(2, {"north": (0.6, 5), "south": (0.1, 50)})
    assert best_round([first, second]) == 1
    assert best_round([result(1, {"north": (0.5, 5)}, metric="nsd"), second]) == 1


def test_a_round_without_scores_does_not_compete() -> None:
    """Where a plan scores every second round, the models between are neither best nor in the way."""
    rounds = [result(1, {"north": (0.2, 4)}), result(2, {}), result(3, {"north": (0.6, 4)}), result(4, {})]
    unscored = rounds[1].model_copy(update={"sites": rounds[0].sites[:1]})
    bare = unscored.sites[0].model_copy(update={"metrics": {}})
    rounds[1] = unscored.model_copy(update={"sites": (bare,)})
    assert best_round(rounds) == 2
    assert merged_metrics(rounds[1]) == {}


def test_what_no_site_could_measure_has_no_best_and_that_is_said() -> None:
    undefined = [result(number, {"north": (1.0, 4)}, metric="loss") for number in (1, 2)]
    selection = Selection("dice", True)
    assert selection.best(undefined) is None
    assert "no best model" in selection.without_best(undefined)
    assert selection.without_best([*undefined, result(3, {"north": (0.5, 4)})]) == ""
    assert selection.without_best([]) == ""
