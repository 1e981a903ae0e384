"""Every event that the aggregator writes down has a sentence for people with all of its facts, or is named here."""

from __future__ import annotations

import pytest

from tests.support.sentences import facts_for, missing_in
from wardround.aggregator.journal import Event
from wardround.aggregator.showing.plain_words import _TEMPLATES, sentence
from wardround.federation.event_log import Entry

FOR_PROGRAMS = {Event.TASK_SENT, Event.SITE_STATE, Event.MODEL_WRITTEN}
"""What comes so often, or says so little beside its neighbours, that people are spared it."""


@pytest.mark.parametrize("event", Event)
def test_every_event_has_a_sentence_that_says_all_its_facts(event: Event) -> None:
    template = _TEMPLATES.get(event, "")
    line = sentence(Entry("2026-01-01T00:00:00", event.value, facts_for(template)))
    assert bool(line) == (event not in FOR_PROGRAMS)
    assert "{" not in line
    assert missing_in(line, template) == []


def test_an_event_of_another_release_has_none() -> None:
    assert sentence(Entry("2026-01-01T00:00:00", "moon_risen", {"detail": "full"})) == ""
    assert set(_TEMPLATES) <= set(Event)


def test_a_caller_that_is_no_site_is_said_to_be_unknown() -> None:
    entry = Entry("2026-01-01T00:00:00", Event.TURNED_AWAY.value, {"site": None, "detail": "no key"})
    assert sentence(entry) == "turned away an unknown peer: no key"
