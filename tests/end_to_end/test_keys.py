"""Keys that change in a run that has begun, by the commands of both ends: rotated, revoked, copied, stolen."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.federation import AGGREGATOR, PATIENCE, Federation, courier
from tests.end_to_end.holding import hold_in_round, let_go
from tests.end_to_end.typed import accept_all, await_end, coordinator, done, hospital, refused, run_on
from tests.support.checkout import CHECKOUT
from wardround.aggregator.journal import Event as Journal
from wardround.engine.basics.files import write_private
from wardround.federation.event_log import read_entries
from wardround.federation.protocol import RefusalCode
from wardround.lab.processes import module_command, run_to_end
from wardround.site_client.events import Event, Role, log_path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * PATIENCE)]

FINGERPRINT = re.compile(r"(?:[0-9a-f]{4} ){3,}[0-9a-f]{4}")


def new_keys(federation: Federation, site: str) -> tuple[Path, str]:
    """Type `rotate-keys` at a site; the file that goes to the coordinator, and the fingerprint for the telephone."""
    said = done(hospital(federation, site, "rotate-keys"))
    request = federation.lab.site_folder(site) / f"{site}-new-keys.pub"
    assert request.name in said
    return request, fingerprint_in(said)


def turned_away(federation: Federation, site: str) -> str:
    """All that a courier noted when it was turned away."""
    return " ".join(str(line.facts["detail"]) for line in federation.said(courier(site), Event.TURNED_AWAY))


def fingerprint_in(text: str) -> str:
    """The last fingerprint in what a command said."""
    return FINGERPRINT.findall(text)[-1]


def test_a_site_has_new_keys_in_the_middle_of_a_round(federation: Federation, undisturbed: str) -> None:
    """The courier starts by itself with the new keys, and waits until the coordinator has them too."""
    hold_in_round(federation, "north", 2)
    request, _ = new_keys(federation, "north")
    federation.wait_for(courier("north"), Event.TURNED_AWAY, detail="key not enrolled")
    done(coordinator(federation, "rotate-key", "north", request))
    federation.wait_for(AGGREGATOR, Journal.KEY_REPLACED, site="north")
    let_go(federation, "north")
    assert await_end(federation) == undisturbed
    assert federation.said(AGGREGATOR, Journal.ROUND_COMMITTED, round=3)


def test_a_revoked_site_is_refused_in_plain_words_and_comes_back_with_new_keys(
    federation: Federation, undisturbed: str
) -> None:
    """South's keys were stolen while it worked. The run needs all sites, so it waits; whose keys they were is said."""
    hold_in_round(federation, "south", 2)
    done(coordinator(federation, "revoke", "south"))
    federation.wait_for(AGGREGATOR, Journal.TURNED_AWAY, site="south", detail="its key was revoked")
    federation.wait_until(lambda: "has revoked" in turned_away(federation, "south"), "the site reads why")
    federation.wait_for(AGGREGATOR, Journal.SITE_STATE, site="south", state="declined", reason="its key was revoked")
    assert "its key was revoked" in done(coordinator(federation, "status"))
    assert "has revoked this site's key" in refused(hospital(federation, "south", "check"))
    request, read_out = new_keys(federation, "south")
    assert "fingerprint" in refused(coordinator(federation, "rotate-key", "south", request))
    done(coordinator(federation, "rotate-key", "south", request, "--fingerprint", read_out))
    let_go(federation, "south")
    assert await_end(federation) == undisturbed


def test_a_stolen_coordinators_key_is_replaced_and_no_longer_believed(
    federation: Federation, undisturbed: str, tmp_path: Path
) -> None:
    """The thief has the port, the certificate and the former key; the hospitals have typed the new fingerprint."""
    hold_in_round(federation, "west", 2)
    stolen = tmp_path / "stolen"
    shutil.copytree(federation.lab.coordinator, stolen)
    assert "Stop that one first" in refused(coordinator(federation, "rotate-coordinator-key"))
    federation.lab.stop_aggregator()
    printed = fingerprint_in(done(coordinator(federation, "rotate-coordinator-key")))
    invitation = federation.lab.coordinator / "invitation.json"
    assert printed in done(coordinator(federation, "invite", "--out", invitation))
    assert "fingerprint" in refused(hospital(federation, "north", "accept", invitation, "--yes"))
    shown = accept_all(federation, "--fingerprint", printed)
    assert all("former key has signed the new one" in text for text in shown.values())

    thief = federation.run_beside("thief", "wardround.aggregator", "--config", stolen / "federation.yaml")
    federation.wait_for(courier("north"), Event.TASK_REFUSED, code=RefusalCode.BAD_SIGNATURE.value)
    thief.stop()
    let_go(federation, "west")
    assert run_on(federation) == undisturbed


def test_a_second_machine_with_a_sites_keys_is_named_at_both_ends(
    federation: Federation, undisturbed: str, tmp_path: Path
) -> None:
    """Somebody has copied north's whole folder. Only the younger is refused, and the older reads that it is there."""
    hold_in_round(federation, "north", 2)
    copied, folder = tmp_path / "copied", federation.lab.site_folder("north")
    shutil.copytree(folder, copied, ignore=shutil.ignore_patterns("work"))
    (copied / "work").mkdir(mode=0o700)
    write_private(copied / "work" / "installation", (folder / "work" / "installation").read_bytes())
    second = federation.run_beside("second", "wardround.site_client", "courier", "--config", copied / "site.yaml")
    federation.wait_for(AGGREGATOR, Journal.SITE_DOUBLED, site="north")
    told = federation.wait_for(courier("north"), Event.SECOND_MACHINE)
    assert told.facts["address"] == "127.0.0.1"
    assert "asks with this site's keys" in done(hospital(federation, "north", "log"))
    assert "another machine, at 127.0.0.1" in done(coordinator(federation, "status"))

    def refusals() -> list[str]:
        entries = read_entries(log_path(copied / "work", Role.COURIER))
        return [str(entry.facts.get("detail")) for entry in entries if entry.event == Event.TURNED_AWAY]

    federation.wait_until(lambda: any("another machine uses" in text for text in refusals()), "the younger reads it")
    let_go(federation, "north")
    assert await_end(federation) == undisturbed
    second.stop()


def commands_below(heading: str) -> str:
    """The commands that the coordinator's guide gives below a heading."""
    text = (CHECKOUT / "docs" / "coordinator.md").read_text().split(f"### {heading}\n")[1]
    return text.split("```\n")[1]


def test_all_stolen_keys_of_a_coordinator_are_replaced_as_the_guide_says(
    federation: Federation, undisturbed: str, tmp_path: Path
) -> None:
    """The commands are those of the guide, word by word. The thief has everything that the coordinator had."""
    hold_in_round(federation, "west", 2)
    federation.lab.stop_aggregator()
    stolen, home = tmp_path / "stolen", federation.lab.coordinator
    shutil.copytree(home, stolen)
    program = " ".join(module_command("wardround.aggregator"))
    typed = commands_below("When your keys may be stolen").replace("study.yaml", str(federation.lab.study))
    script = f'set -e\naggregator() {{ {program} "$@"; }}\n{typed.replace("fl.example.org", "localhost")}'
    printed = run_to_end(("bash", "-c", f"cd {home}\n{script}"), federation.lab.settings.machine, "the guide")
    typed_in = [word for found in sorted(set(FINGERPRINT.findall(printed))) for word in ("--fingerprint", found)]
    assert len(typed_in) == 4, printed
    invitation = home / "invitation.json"
    assert "fingerprint" in refused(hospital(federation, "north", "accept", invitation, "--yes", *typed_in[:2]))
    for shown in accept_all(federation, *typed_in).values():
        assert shown.count("CHANGED") == 2

    thief = federation.run_beside("thief", "wardround.aggregator", "--config", stolen / "federation.yaml")
    federation.wait_until(
        lambda: "cannot be trusted" in disconnected(federation, "north"), "north sees the certificate"
    )
    thief.stop()
    let_go(federation, "west")
    assert run_on(federation) == undisturbed


def disconnected(federation: Federation, site: str) -> str:
    """All that a courier noted about lost connections."""
    return " ".join(str(line.facts["detail"]) for line in federation.said(courier(site), Event.DISCONNECTED))
