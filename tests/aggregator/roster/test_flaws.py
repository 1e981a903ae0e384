"""A roster that was changed by hand: every slip at once, with its line and what to do."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import pytest

from tests.aggregator.fakes import seeded_keys
from tests.aggregator.home import request
from wardround.aggregator.roster.enrolment import enrol, read_roster, write_roster
from wardround.engine.basics.problems import InputError
from wardround.federation.identities import EnrolmentRequest, Roster


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    """A roster of three sites, as `aggregator enroll` writes it."""
    members = (EnrolmentRequest.create(name, seeded_keys(name)).member for name in ("north", "south", "west"))
    write_roster(tmp_path / "roster.json", Roster.of(tuple(members)))
    return tmp_path / "roster.json"


def refused(roster: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_roster(roster)
    return [problem.render() for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"\n    },\n', '",\n    },\n', "roster.json:6: the roster cannot be read (got a comma before }"),
        ("}\n  ]", "},\n  ]", "roster.json:17: the roster cannot be read (got a comma before ]"),
        ('",\n', '"\n', "roster.json:4: the roster cannot be read (got no comma after it"),
        ('"name"', "\u201cname\u201d", "roster.json:4: the roster cannot be read (got quotation marks of a word"),
        ("{\n", "{\n# remark\n", "roster.json:2: the roster cannot be read (got # remark"),
        ("}\n  ]\n}", "", "the end of the roster is missing"),
        ('"north"', '"North Hosp"', "roster.json:4, members.0.name: a site's name cannot be used (got 'North Hosp'; "),
    ],
    ids=["comma", "comma-in-list", "no-comma", "curly", "remark", "cut", "name"],
)
def test_a_slip_is_told_with_its_line(roster: Path, old: str, new: str, said: str) -> None:
    text = roster.read_text()
    assert old in text
    roster.write_text(text.replace(old, new, 1))
    (found,) = refused(roster)
    assert said in found


def test_all_keys_that_were_cut_are_told_at_once(roster: Path) -> None:
    roster.write_text(re.sub(r'(_key": ")[0-9a-f]{5}', r"\1", roster.read_text()))
    found = refused(roster)
    assert len(found) == 6
    assert "roster.json:15, members.2.signing_key: the signing key of west cannot be used (got 59 char" in found[4]
    assert "Copy `signing_key` from west.pub" in found[4]


def test_a_mark_in_front_of_the_text_is_no_fault(roster: Path) -> None:
    roster.write_bytes(codecs.BOM_UTF8 + roster.read_bytes())
    assert read_roster(roster).names == ("north", "south", "west")


def test_a_roster_that_is_missing_begins_anew_with_the_next_site(roster: Path) -> None:
    roster.unlink()
    (found,) = refused(roster)
    assert "roster.json is missing" in found
    assert "enrol every site again with `aggregator enroll NAME NAME.pub`" in found
    enrol(roster, "north", request(roster.parent, "north"))
    assert read_roster(roster).names == ("north",)
