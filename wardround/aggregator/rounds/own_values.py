"""What each site's own cases told in a survey, in numbers: merged answers do not show whose values are wrong.

They are kept with the answer and stand in the log, so that a coordinator sees which site lies apart; nobody is refused
for them, since scanners differ. They are of all training cases of a site together, as the answers themselves are.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from wardround.aggregator.rounds.records import OwnValues, SurveyedSite, SurveyResult
from wardround.engine.preprocessing.requests import CohortSummary, Request
from wardround.engine.study import Study
from wardround.engine.summaries import Extremes, Histogram, Moments

_FAR = 10.0
_FEWEST_TO_COMPARE = 3
"""Of one site or two nobody can say which one lies apart."""


def own_values(summary: CohortSummary) -> tuple[OwnValues, ...]:
    """What an answer tells of its site, for each channel or number: the range of the values, or mean minus and plus a
    standard deviation; how many values lie in its bins."""
    return tuple(_own(part.summary) for part in summary.parts)


def _own(summary: object) -> OwnValues:
    if isinstance(summary, Extremes):
        return OwnValues(count=summary.count, low=summary.low, high=summary.high)
    if isinstance(summary, Moments) and summary.count:
        mean, deviation = summary.mean, summary.deviation
        return OwnValues(count=summary.count, low=mean - deviation, high=mean + deviation)
    return OwnValues(count=summary.count if isinstance(summary, Histogram) else 0)


def names_of(study: Study, request: Request) -> tuple[str, ...]:
    """What a request asks about: the channels, or the numbers to predict."""
    return tuple(study.inputs if request.place is not None else study.outputs)[: request.parts]


def in_words(own: Sequence[OwnValues], names: Sequence[str]) -> str:
    """`ct -1024 to 3071, of 12`: empty where a site told nothing but how its values lie in bins."""
    told = [(name, values) for name, values in zip(names, own, strict=True) if values.low is not None]
    return "; ".join(f"{name} {values.low:.6g} to {values.high:.6g}, of {values.count:,}" for name, values in told)


def apart(sites: Sequence[SurveyedSite]) -> tuple[str, ...]:
    """The sites whose values reach more than ten times as far from zero as the median one's, in one channel or more."""
    parts = max((len(site.own) for site in sites), default=0)
    found = {name for part in range(parts) for name in _far({site.site: site.own[part] for site in sites if site.own})}
    return tuple(site.site for site in sites if site.site in found)


def _far(own: Mapping[str, OwnValues]) -> set[str]:
    reaches = {site: values.reach for site, values in own.items() if values.low is not None}
    if len(reaches) < _FEWEST_TO_COMPARE:
        return set()
    most = _FAR * statistics.median_low(list(reaches.values()))
    return {site for site, reach in reaches.items() if 0 < most < reach}


def all_in_words(result: SurveyResult, names: Sequence[str]) -> str:
    """Every site's own values in an answer, those that lie apart first; empty where no site told any."""
    far = apart(result.sites)
    ordered = sorted(result.sites, key=lambda site: site.site not in far)
    told = [(site.site, in_words(site.own, names)) for site in ordered if site.own]
    marked = (f"{name}{' (far from the others)' if name in far else ''}: {words}" for name, words in told if words)
    return " | ".join(marked)
