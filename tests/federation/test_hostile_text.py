"""Whatever text stands in what is received: it is refused, or no screen, log or page can obey anything of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.aggregator.fakes import seeded_keys
from tests.site_client.support import Site, build_site
from tests.support.certificates import write_certificates
from tests.support.commands import run_wardround
from tests.support.hostile import is_clean
from wardround.aggregator.roster.enrolment import enrol, write_roster
from wardround.engine.basics.canonical import canonical_json, sha256_hex
from wardround.engine.basics.problems import InputError
from wardround.federation.identities import EnrolmentRequest, Roster
from wardround.federation.invitation import Invitation
from wardround.federation.protocol import (
    REPLY,
    Done,
    MetricValue,
    Missing,
    Ready,
    RefusalCode,
    Refused,
    Stage,
    Task,
    Working,
)
from wardround.federation.succession import CoordinatorSuccession, Rotation, read_rotation
from wardround.site_client.cli import app

ATTACKS = ("\x1b[2J", "\r", "\n", "\x00", "\u202e", "\u2028", "\u2066", "\u200b", "\x9b2J", "\U000e0041", "[bold]{x}")
Path_ = tuple[str | int, ...]


def _places(value: Any, here: Path_ = ()) -> Iterator[tuple[Path_, bool]]:
    """Every text of a JSON value, and every key (True)."""
    if isinstance(value, str):
        yield here, False
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _places(item, (*here, number))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*here, key), True
            yield from _places(item, (*here, key))


def _changed(value: Any, place: Path_, is_key: bool, change: Callable[[str], str]) -> Any:
    """A copy in which one text or key is another."""
    copy = json.loads(json.dumps(value))
    node = copy
    for step in place[:-1]:
        node = node[step]
    if is_key:
        node[change(str(place[-1]))] = node.pop(place[-1])
    else:
        node[place[-1]] = change(node[place[-1]])
    return copy


def _spoilt(value: Any, attacks: tuple[str, ...] = ATTACKS) -> Iterator[tuple[str, Any]]:
    for place, is_key in _places(value):
        for attack in attacks:
            for change in (lambda text, attack=attack: text + attack, lambda text, attack=attack: attack + text):
                name = f"{'.'.join(map(str, place))}{' (key)' if is_key else ''} {attack!r}"
                yield name, _changed(value, place, is_key, change)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path / "site", ca_pem=write_certificates(tmp_path / "tls").ca.read_text())


def _write_signed(site: Site, content: dict[str, Any]) -> Path:
    """An invitation as a coordinator signs it who does not mean well: the signature holds, whatever it says."""
    path = site.folder / "hostile.json"
    statement = b"wardround invitation\n" + json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode("utf-8", "surrogatepass")
    signature = site.coordinator.sign(statement).hex()
    path.write_text(json.dumps({"invitation": content, "signature": signature}))
    return path


def _assert_clean(site: Site, path: Path, name: str) -> None:
    """`accept`, and what it leaves for `status` and `log`, say nothing that could be obeyed; a refusal pins nothing."""
    before = site.settings.accepted.read_bytes()
    found = run_wardround("accept", path, "--config", site.config, "--yes", app=app)
    assert found.code in (0, 2), name
    shown = found.out + found.err
    if found.code == 0:
        shown += run_wardround("status", "--config", site.config, app=app).out
        site.settings.accepted.write_bytes(before)
    assert site.settings.accepted.read_bytes() == before, name
    assert all(is_clean(line) for line in shown.split("\n")), (name, shown)


def test_no_text_of_an_invitation_reaches_the_screen_as_it_is(site: Site) -> None:
    content = site.invitation.model_dump(mode="json")
    content["succession"] = CoordinatorSuccession.create(site.coordinator, site.coordinator).model_dump(mode="json")
    names = [place for place, _ in _places(content)]
    assert {("plan", "strategy"), ("federation",), ("address",), ("ca_pem",), ("study",)} <= set(names)
    refused = 0
    for name, spoilt in _spoilt(content):
        if name.startswith("ca_pem ") and name.endswith(("'\\r'", "'\\n'")):
            continue  # lines of PEM end like that, whichever system wrote them
        with pytest.raises(ValidationError):
            Invitation.model_validate(spoilt)
        if name.endswith(("'\\x1b[2J'", "'\\u202e'")) and "(key)" not in name:
            _assert_clean(site, _write_signed(site, spoilt), name)
        refused += 1
    assert refused > 200


def test_no_text_of_a_study_in_an_invitation_reaches_the_screen_as_it_is(site: Site) -> None:
    content, study = site.invitation.model_dump(mode="json"), json.loads(site.invitation.study)
    tried = 0
    for name, spoilt in _spoilt(study, ("".join(ATTACKS),)):
        text = canonical_json(spoilt).decode()
        changed = {**content, "study": text, "plan": {**content["plan"], "study": sha256_hex(text.encode())}}
        _assert_clean(site, _write_signed(site, changed), name)
        tried += 1
    assert tried > 50


def test_no_text_of_a_request_is_taken(tmp_path: Path) -> None:
    roster = tmp_path / "roster.json"
    write_roster(roster, Roster(members=()))
    request = EnrolmentRequest.create("north", seeded_keys("north")).model_dump(mode="json")
    rotation = Rotation.create("north", seeded_keys("north"), seeded_keys("new")).model_dump(mode="json")
    path = tmp_path / "north.pub"
    for name, spoilt in _spoilt(request):
        path.write_text(json.dumps(spoilt))
        with pytest.raises(InputError) as raised:
            enrol(roster, "north", path)
        assert all(is_clean(line) for line in str(raised.value).split("\n")), name
    for name, spoilt in _spoilt(rotation):
        path.write_text(json.dumps(spoilt))
        assert read_rotation(path) is None, name
    assert json.loads(roster.read_text()) == {"members": []}


def _messages() -> Iterator[Any]:
    site: dict[str, Any] = {"site": "north", "ask": "ab" * 16}
    yield REPLY, Ready(**site, plan="0" * 64, cohort="1" * 64, train_cases=4, validation_cases=2, version="0.1.0")
    yield REPLY, Missing(**site, work_key="2" * 64)
    yield REPLY, Working(**site, work_key="2" * 64, phase="training")
    yield REPLY, Refused(**site, code=RefusalCode.POLICY, correlation="ab" * 8)
    yield (
        REPLY,
        Done(
            site="north",
            work_key="2" * 64,
            update="3" * 64,
            train_cases=4,
            metrics={"dice.inner": MetricValue(value=0.5, count=2)},
            seconds=1.0,
        ),
    )


def test_no_text_of_a_task_or_a_reply_is_taken(site: Site) -> None:
    task = Task(
        site="north",
        plan="0" * 64,
        stage=Stage.HELLO,
        round=0,
        ask="ab" * 16,
        offer=site.invitation.plan,
        base="1" * 64,
    )
    for name, spoilt in _spoilt(task.model_dump(mode="json", exclude_none=True)):
        with pytest.raises(ValidationError):
            print(name, Task.model_validate(spoilt))
    for adapter, message in _messages():
        for name, spoilt in _spoilt(message.model_dump(mode="json", exclude_none=True)):
            with pytest.raises(ValidationError):
                print(name, adapter.validate_python(spoilt))
