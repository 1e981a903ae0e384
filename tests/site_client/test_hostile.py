"""Text that others chose, through the real commands: it reaches a terminal or a page in a form that can be seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.site_client.support import STUDY, Site, build_site, write_cohort
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.runner import ExitCode, run
from wardround.federation.flower.events import NodeEvent
from wardround.site_client import events
from wardround.site_client.cli import app
from wardround.site_client.courier.process import _Listener
from wardround.site_client.events import Event, EventLog, Role, log_path
from wardround.site_client.worker.engine import WarmEngine

HOSTILE = "\x1b[2J\x1b]0;title\x07 a\rb\nc\x00d\u202ee\u2028f\u2066g\x9bh\ue0001"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path / "site")


def _assert_seen(text: str, lines: int | None = None) -> None:
    """Nothing in it would be obeyed or hidden, apart from the ends of the program's own lines."""
    assert not [character for character in text if not character.isprintable() and character != "\n"]
    if lines is not None:
        assert text.count("\n") == lines


@pytest.mark.parametrize("event", list(Event))
def test_hostile_facts_of_any_event_are_shown_as_they_are_and_on_one_line(
    site: Site, event: Event, capsys: pytest.CaptureFixture[str]
) -> None:
    names = set(events._SENTENCES.templates.get(event, "{reason}").replace("}", "{").split("{")[1::2]) | {
        "reason",
        "detail",
    }
    EventLog(site.settings.work, Role.COURIER).record(event, **dict.fromkeys(sorted(names), f"-{HOSTILE}"))
    told = capsys.readouterr().out
    _assert_seen(told)
    assert run(app, ["log", "--config", str(site.config)]) == ExitCode.OK
    shown = capsys.readouterr().out
    _assert_seen(shown, lines=1 if event in events._SENTENCES.templates else 0)
    assert run(app, ["log", "--config", str(site.config), "--json"]) == ExitCode.OK
    printed = capsys.readouterr().out
    _assert_seen(printed, lines=1)
    assert json.loads(printed)[sorted(names)[0]] == f"-{HOSTILE}"


def test_a_log_that_somebody_else_has_written_to_is_shown_as_safely(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    path = log_path(site.settings.work, Role.WORKER)
    path.parent.mkdir(parents=True)
    line = {"time": HOSTILE, "role": HOSTILE, "event": "task_failed", "code": HOSTILE, "reason": HOSTILE, HOSTILE: "x"}
    path.write_bytes(json.dumps(line, ensure_ascii=False).encode() + b"\n\xff\xfe\x1b[2J\n")
    assert run(app, ["log", "--config", str(site.config)]) == ExitCode.OK
    _assert_seen(capsys.readouterr().out, lines=1)


def test_what_a_stranger_on_the_line_says_is_shown_as_safely(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A proxy's or an aggregator's own words come back in the transport's events."""
    log = EventLog(site.settings.work, Role.COURIER)
    hear = _Listener("aggregator:9092", log, lambda serving: None, lambda: False).hear
    for kind in ("disconnected", "refused", "clock_skew", "foreign_bundle"):
        hear(NodeEvent(kind, HOSTILE))  # type: ignore[arg-type]
    capsys.readouterr()
    run(app, ["log", "--config", str(site.config)])
    shown = capsys.readouterr().out
    _assert_seen(shown, lines=4)
    assert shown.count("\\x1b[2J") == 4


def test_a_wrong_clock_is_told_once_with_the_remedy(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    log = EventLog(site.settings.work, Role.COURIER)
    hear = _Listener("aggregator:9092", log, lambda serving: None, lambda: False).hear
    for skew in (7200.3, 7199.8, 7200.1):
        hear(NodeEvent("clock_skew", f"this clock is {skew:+.1f} s from the aggregator's", skew))
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 1
    assert "+7200.3 s" in told[0]
    assert "set its clock (NTP)" in told[0]


def test_what_stands_in_a_table_is_shown_as_safely_when_it_cannot_be_used(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "".join(character for character in HOSTILE if character not in "\r\n\x00\u2028")
    site.settings.manifest.write_text(f"SubjectID,Channel_0,Label\n{name},{name}.nii.gz,{name}\n")
    with pytest.raises(InputError) as found:
        WarmEngine.open(site.settings, site.agreement)
    EventLog(site.settings.work, Role.WORKER).record(Event.COHORT_UNUSABLE, reason=str(found.value))
    capsys.readouterr()
    run(app, ["log", "--config", str(site.config)])
    shown = capsys.readouterr().out
    _assert_seen(shown, lines=1)
    assert "\\x1b[2J" in shown
    assert run(app, ["check", "--offline", "--config", str(site.config)]) == ExitCode.BAD_INPUT
    said = capsys.readouterr()
    _assert_seen(said.out + said.err)


def test_local_training_takes_another_study_and_names_that_a_page_would_obey(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_cohort(site)
    site.settings.accepted.unlink()
    (site.folder / "other.yaml").write_text(STUDY.replace("study: blobs", "study: other"))
    hostile = "\x1b[2J\u202e<script>alert(1)</script>&"
    header, *rows = manifest.read_text().splitlines()
    manifest.write_text("\n".join([header, *(hostile + row for row in rows)]))
    arguments = ["--config", str(site.config), "--local", "--study", str(site.folder / "other.yaml")]
    assert run(app, arguments) == ExitCode.OK
    said = capsys.readouterr()
    _assert_seen(said.out)
    assert list((site.settings.work / "local").rglob("model.safetensors"))
    pages = [path.read_text(encoding="utf-8") for path in (site.settings.work / "local").rglob("report.html")]
    assert any("script&gt;" in page for page in pages), "the names are on a page"
    for page in pages:
        _assert_seen(page.replace("\t", ""))
        assert "<script>alert" not in page
