"""Every event of a site's log is told to people in a sentence with all of its facts, or is named here."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from tests.support.sentences import facts_for, missing_in
from wardround.federation.event_log import Entry
from wardround.site_client.events import _TEMPLATES, Event, Role, describe

FOR_PROGRAMS = {
    *(Event.CHILD_STARTED, Event.MESSAGE_PULLED, Event.MESSAGE_SENT, Event.MODEL_MISSING, Event.REPLY_SEALED),
    *(Event.OUTBOX_WRITTEN, Event.OUTBOX_PRUNED, Event.STATE_COMMITTED, Event.STATE_ROLLED_BACK, Event.SWEPT),
    Event.CHECKPOINT_SAVED,
}
"""Steps of a task between those that are told; who looks for a fault finds them in the log."""


def _entry(event: str, facts: dict[str, JsonValue]) -> Entry:
    return Entry("2026-01-01T12:34:56.000+00:00", event, facts, Role.WORKER.value)


@pytest.mark.parametrize("event", Event)
def test_every_event_has_a_sentence_that_says_all_its_facts(event: Event) -> None:
    template = _TEMPLATES.get(event, "")
    line = describe(_entry(event.value, facts_for(template)))
    assert line.startswith("12:34:56 worker: ") == (event not in FOR_PROGRAMS)
    assert "{" not in line
    assert missing_in(line, template) == []


def test_an_event_of_another_release_has_none() -> None:
    assert describe(_entry("moon_risen", {"detail": "full"})) == ""
    assert set(_TEMPLATES) <= set(Event)
