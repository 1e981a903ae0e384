"""Which global model is best: by the study's selecting metric, over sites that both candidates were scored at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wardround.aggregator.rounds.records import RoundResult, SiteResult
from wardround.engine.metrics.scores import Summary, merge
from wardround.engine.parts import Kind, builtin_and_plugins
from wardround.engine.study import Study


@dataclass(frozen=True)
class Scored:
    """A global model and its scores.

    Attributes:
        model: its digest.
        round: the round that made it; 0 for the initial model.
        sites: each site's summary of the selecting metric.
    """

    model: str
    round: int
    sites: Mapping[str, Summary]

    @property
    def overall(self) -> Summary:
        """Over all its sites, each weighted by its cases."""
        return merge(list(self.sites.values()))


@dataclass(frozen=True)
class Selection:
    """A metric and its direction."""

    metric: str
    higher_is_better: bool

    @classmethod
    def of(cls, study: Study) -> Selection:
        """By the study's `validation.select`."""
        name = study.validation.select
        return cls(name, builtin_and_plugins().find(Kind.METRIC, name).higher_is_better)

    def best(self, results: Iterable[RoundResult]) -> Scored | None:
        """The best model that was scored; None where the metric was undefined at every site in every round.

        Round r scores the model of round r - 1; of equals the older one stays.

        Each newcomer is compared with the best so far over the sites that scored both, so that a site which was away
        for a round neither helps nor harms a model. Without a common site the older one stays.
        """
        best: Scored | None = None
        for result in results:
            candidate = self._scored(result)
            if candidate.sites and (best is None or self._is_better(candidate, best)):
                best = candidate
        return best

    def without_best(self, results: Sequence[RoundResult]) -> str:
        """Why there is no best model although models were scored; empty where there is one, or none was scored yet."""
        scored = [result for result in results if any(site.metrics for site in result.sites)]
        if not scored or self.best(results) is not None:
            return ""
        return (
            f"{self.metric} was undefined at every site that scored a model: there is no best model, only the last one"
        )

    def _scored(self, result: RoundResult) -> Scored:
        scores = {site.site: self._summary(site) for site in result.sites}
        return Scored(result.base, result.round - 1, {name: score for name, score in scores.items() if score.count})

    def _summary(self, site: SiteResult) -> Summary:
        value = site.metrics.get(self.metric)
        return Summary(value.value, value.count) if value is not None else Summary(0.0, 0)

    def _is_better(self, candidate: Scored, best: Scored) -> bool:
        common = [site for site in candidate.sites if site in best.sites]
        if not common:
            return False
        new = merge([candidate.sites[site] for site in common]).value
        old = merge([best.sites[site] for site in common]).value
        return new > old if self.higher_is_better else new < old


def merged_metrics(result: RoundResult) -> dict[str, Summary]:
    """Every metric of the round's incoming model over all its sites, weighted by cases."""
    names = sorted({name for site in result.sites for name in site.metrics})
    found = {name: merge([_as_summary(site, name) for site in result.sites if name in site.metrics]) for name in names}
    return {name: summary for name, summary in found.items() if summary.count}


def _as_summary(site: SiteResult, name: str) -> Summary:
    return Summary(site.metrics[name].value, site.metrics[name].count)
