"""What `status` says of certificates that end and of second machines."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from tests.support.certificates import write_certificates
from wardround.aggregator.journal import Event
from wardround.aggregator.roster.key_folder import certificate_notes
from wardround.aggregator.showing.status import _second_machines
from wardround.federation.event_log import Entry

NOW = datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize(
    ("ends", "said"), [(200.0, ()), (20.5, ("server.pem expires", "in 20 days")), (-0.5, ("server.pem expired at",))]
)
def test_the_end_of_a_certificate_is_noted_before_and_while_it_is_there(
    tmp_path: Path, ends: float, said: tuple[str, ...]
) -> None:
    write_certificates(tmp_path, ends=ends)
    notes = certificate_notes(tmp_path, NOW)
    assert len(notes) == (1 if said else 0)
    assert all(words in notes[0] for words in said)


def test_a_second_machine_is_noted_until_it_is_gone_or_the_aggregator_starts_again() -> None:
    doubled = Entry("", Event.SITE_DOUBLED, {"site": "north", "detail": "another machine"})
    alone = Entry("", Event.SITE_ALONE, {"site": "north", "detail": "no second machine"})
    again = Entry("", Event.LISTENING, {"host": "::", "port": 1})
    assert _second_machines([doubled]) == ("north: another machine",)
    assert _second_machines([doubled, alone]) == ()
    assert _second_machines([doubled, alone, doubled]) == ("north: another machine",)
    assert _second_machines([doubled, again]) == ()
