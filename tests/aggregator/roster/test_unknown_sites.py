"""Commands on a site that the roster has not: what is said, and whether what is proposed works."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.aggregator.fakes import seeded_keys
from tests.support.commands import Outcome, run_wardround
from tests.support.studies import SEGMENTATION, write_study
from wardround.aggregator.cli import app
from wardround.federation.identities import EnrolmentRequest
from wardround.federation.succession import Rotation


def aggregator(*words: object) -> Outcome:
    """Run `aggregator`."""
    return run_wardround(*words, app=app)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A federation of north and south, in which the commands run; west has sent its file."""
    study = write_study(tmp_path / "study.yaml", SEGMENTATION)
    folder = tmp_path / "federation"
    words = ("--name", "brains", "--study", study, "--address", "127.0.0.1:9443", "--folder", folder)
    assert aggregator("init", *words).code == 0
    monkeypatch.chdir(folder)
    for name in ("north", "south", "west"):
        (tmp_path / f"from {name}").mkdir()
        EnrolmentRequest.create(name, seeded_keys(name)).save(tmp_path / f"from {name}" / f"{name}.pub")
    for name in ("north", "south"):
        assert aggregator("enroll", name, f"../from {name}/{name}.pub").code == 0
    return folder


def proposed(text: str) -> list[str]:
    """The words after `aggregator` of the command that a text proposes."""
    (line,) = re.findall(r"`aggregator ([^`]+)`", text)
    return shlex.split(line)


@pytest.mark.parametrize("word", ["replace", "rotate-key"])
@pytest.mark.parametrize("name", ["west", "West", "north-2"])
def test_the_file_of_a_site_that_is_not_enrolled_enrols_it(home: Path, word: str, name: str) -> None:
    outcome = aggregator(word, name, "../from west/west.pub")
    assert outcome.code == 2
    assert "west is not enrolled yet" in outcome.err
    words = proposed(outcome.err)
    assert words == ["enroll", "west", "../from west/west.pub"]
    assert aggregator(*words).code == 0


@pytest.mark.parametrize("word", ["replace", "rotate-key"])
def test_the_file_of_another_site_names_that_one(home: Path, word: str) -> None:
    outcome = aggregator(word, "nort", "../from south/south.pub")
    assert outcome.code == 2
    assert proposed(outcome.err) == [word, "south", "../from south/south.pub"]


def test_new_keys_of_a_site_that_is_not_enrolled_cannot_enrol_it(home: Path) -> None:
    Rotation.create("west", seeded_keys("west"), seeded_keys("later")).save(home / "new.pub")
    outcome = aggregator("rotate-key", "west", "new.pub")
    assert outcome.code == 2
    assert "west is not enrolled yet: its staff runs `site-client init` in an empty folder" in outcome.err


def test_a_file_that_is_no_request_is_told_beside_the_name(home: Path) -> None:
    outcome = aggregator("replace", "west", "federation.yaml")
    assert outcome.code == 2
    assert "no site of this name is enrolled" in outcome.err
    assert "this is not an enrolment request" in outcome.err


@pytest.mark.parametrize("word", ["remove", "revoke"])
@pytest.mark.parametrize(
    ("name", "said"),
    [("west", "west takes no part, so there is nothing to do if it was meant"), ("nort", "Did you mean 'north'?")],
    ids=["a stranger", "misspelt"],
)
def test_who_takes_no_part_has_nothing_to_lose(home: Path, word: str, name: str, said: str) -> None:
    outcome = aggregator(word, name)
    assert outcome.code == 2
    assert said in outcome.err
    assert "expected north, south" in outcome.err
    assert "Write one of these" not in outcome.err


_PROPOSALS: Mapping[str, tuple[str, str]] = {
    "the keys that it has": ("north", "nothing is left to do"),
    "new keys": ("later", "`aggregator replace north '../from north/new.pub'`"),
}


@pytest.mark.parametrize(("keys", "said"), _PROPOSALS.values(), ids=list(_PROPOSALS))
def test_who_is_enrolled_again_is_told_by_its_keys(home: Path, keys: str, said: str) -> None:
    EnrolmentRequest.create("north", seeded_keys(keys)).save(home.parent / "from north" / "new.pub")
    outcome = aggregator("enroll", "north", "../from north/new.pub")
    assert outcome.code == 2
    assert said in outcome.err
