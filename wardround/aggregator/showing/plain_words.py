"""Events as lines for people."""

from __future__ import annotations

from collections.abc import Mapping

from wardround.aggregator.journal import Event
from wardround.federation.event_log import Entry, Sentences

_TEMPLATES: Mapping[str, str] = {
    Event.RUN_STARTED: "a new run of plan {plan:.16}; sites take part when they have accepted its invitation "
    "(`aggregator invite`)",
    Event.RUN_RESUMED: "the run goes on after {rounds} rounds",
    Event.RUN_FINISHED: "{detail}",
    Event.RUN_STOPPED: "{detail}",
    Event.SITE_TOLD: "{site} was told: {detail}",
    Event.RUN_ENDED: "the coordinator ends the run",
    Event.RUN_REOPENED: "the coordinator takes the run up again",
    Event.RUN_CARRIED_ON: "after {rounds} rounds the training is carried on under another plan: {detail}",
    Event.RUN_INTERRUPTED: "interrupted; the same command goes on where this left off",
    Event.LISTENING: "listening on {address}",
    Event.KEY_REVOKED: "the key of {site} is revoked: nobody speaks for it any more",
    Event.KEY_REPLACED: "{site} speaks with new keys",
    Event.KEYS_UNREADABLE: "the changed keys cannot be read, so nothing changes: {detail}",
    Event.SITE_ONLINE: "{site} is online",
    Event.SITE_OFFLINE: "{site} is offline: {detail}",
    Event.SITE_DOUBLED: "{site}: {detail}",
    Event.CERTIFICATE: "{detail}",
    Event.SITE_ALONE: "{site}: {detail}",
    Event.TURNED_AWAY: "turned away {site}: {detail}",
    Event.LIMIT_HIT: "limit hit by {site}: {detail}",
    Event.SURVEY_STARTED: "question {exchange} about the training cases: {asked}",
    Event.SURVEY_ANSWERED: "{site} answers question {exchange}: {detail}",
    Event.SITE_APART: "{site} lies far from the other sites in question {exchange}: {detail}; ask there whether images "
    "and table are in the units that the study means",
    Event.SURVEY_COMMITTED: "question {exchange} is answered, over {cases} training cases",
    Event.FITTED: "preprocessing is fitted to {cases} training cases of all sites",
    Event.ROUND_STARTED: "round {round} ({stage}) begins",
    Event.SITE_READY: "{site} is ready: {train_cases} training and {validation_cases} validation cases",
    Event.COHORT_CHANGED: "{site} works with other cases from round {round} on: {train_cases} training and "
    "{validation_cases} validation cases",
    Event.SITE_TROUBLE: "{site}: {detail}; asked again in {retry_in:.0f} s",
    Event.SITE_DECLINED: "{site} declined: {reason}",
    Event.ANSWER_REFUSED: "an answer in the name of {site} was refused: {detail}",
    Event.UPDATE_REFUSED: "what {site} sent was refused: {detail}",
    Event.REPLY_STORED: "{site} has finished round {round} ({seconds:.1f} s of work)",
    Event.REPLY_DAMAGED: "the stored reply of {site} is damaged ({detail}); it is asked for again",
    Event.RECORD_MENDED: "{file} is damaged; {detail}",
    Event.OUTPUTS_FAILED: "results cannot be written ({detail}); they are tried again, and no round is lost",
    Event.ROUNDS_UNDONE: "rounds from {round} on were undone; they are kept in {folder}",
    Event.HEAVY_SITE: "{site} has {share:.0%} of the weight from round {round} on",
    Event.WAITING: "{detail}",
    Event.ROUND_DECIDED: "round {round}: {detail}",
    Event.ROUND_COMMITTED: "round {round} is complete in {seconds:.1f} s",
    Event.BEST_MODEL: "best model so far: round {round}, {value:.4f}",
}
_SENTENCES = Sentences(_TEMPLATES, unknown="an unknown peer")
"""A caller that is no site has no name."""


def sentence(entry: Entry) -> str:
    """An entry as a printable line, or an empty text for those that only programs want."""
    return _SENTENCES.of(entry)
