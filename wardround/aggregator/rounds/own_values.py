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
from wardround.engine.study.tabular import numbers_of
from wardround.engine.summaries import Histogram, Moments, Octaves

_FAR, _MANY = 10.0, 100.0
_RARE = 0.01
"""So many of a site's values at either end do not count as where it lies: one bad voxel is no other unit."""
_FEWEST_TO_COMPARE = 3
"""Of one site or two nobody can say which one lies apart."""


def own_values(summary: CohortSummary) -> tuple[OwnValues, ...]:
    """What an answer tells of its site, for each channel or number: between which bins all but the rare values lie, or
    mean minus and plus a standard deviation; how many values there are."""
    return tuple(_own(part.summary) for part in summary.parts)


def _own(summary: object) -> OwnValues:
    if isinstance(summary, Octaves) and summary.count:
        (low, _), (_, high) = summary.around(_RARE), summary.around(1 - _RARE)
        return OwnValues(count=summary.count, low=low, high=high)
    if isinstance(summary, Moments) and summary.count:
        mean, deviation = summary.mean, summary.deviation
        return OwnValues(count=summary.count, low=mean - deviation, high=mean + deviation)
    return OwnValues(count=summary.count if isinstance(summary, Histogram) else 0)


def names_of(study: Study, request: Request) -> tuple[str, ...]:
    """What a request asks about: the channels, or numbers of the table."""
    of_table = numbers_of(study.columns) if request.about == "columns" else study.outputs
    return tuple(study.inputs if request.place is not None else of_table)[: request.parts]


def in_words(own: Sequence[OwnValues], names: Sequence[str]) -> str:
    """`ct -1024 to 3071, of 12`: empty where a site told nothing but how its values lie in bins."""
    told = [(name, values) for name, values in zip(names, own, strict=True) if values.low is not None]
    return "; ".join(f"{name} {values.low:.6g} to {values.high:.6g}, of {values.count:,}" for name, values in told)


def apart(sites: Sequence[SurveyedSite]) -> tuple[str, ...]:
    """The sites that lie apart from the median one in one channel or more: values reach ten times as far from zero, or
    there are a hundred times as many for each case, which then count as much in the answer."""
    told = [site for site in sites if site.own]
    parts, found = max((len(site.own) for site in told), default=0), set[str]()
    for part in range(parts):
        own = {site.site: site.own[part] for site in told}
        found |= _above(_FAR, {site: values.reach for site, values in own.items() if values.low is not None})
        found |= _above(_MANY, {site.site: site.own[part].count / site.cases for site in told if site.cases})
    return tuple(site.site for site in sites if site.site in found)


def _above(factor: float, found: Mapping[str, float]) -> set[str]:
    if len(found) < _FEWEST_TO_COMPARE:
        return set()
    most = factor * statistics.median_low(list(found.values()))
    return {site for site, value in found.items() if 0 < most < value}


def all_in_words(result: SurveyResult, names: Sequence[str]) -> str:
    """Every site's own values in an answer, those that lie apart first; empty where no site told any."""
    far = apart(result.sites)
    ordered = sorted(result.sites, key=lambda site: site.site not in far)
    told = [(site.site, in_words(site.own, names)) for site in ordered if site.own]
    marked = (f"{name}{' (far from the others)' if name in far else ''}: {words}" for name, words in told if words)
    return " | ".join(marked)
