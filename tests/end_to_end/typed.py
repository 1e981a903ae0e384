"""What coordinator and hospitals type while a federation runs, as real commands in processes of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.end_to_end.federation import AGGREGATOR, Federation
from tests.support.commands import Outcome
from wardround.aggregator.journal import Event as Journal
from wardround.lab.processes import module_command
from wardround.lab.settings_files import change_settings


def coordinator(federation: Federation, *words: str | Path) -> Outcome:
    """`aggregator ...` for this federation's file."""
    return _run(federation, "wardround.aggregator", *words, "--config", federation.lab.federation_file)


def hospital(federation: Federation, site: str, *words: str | Path) -> Outcome:
    """`site-client ...` at a site."""
    return _run(federation, "wardround.site_client", *words, "--config", federation.lab.site_file(site))


def done(outcome: Outcome) -> str:
    """What a command said that has done what it was told."""
    assert outcome.code == 0, outcome.out + outcome.err
    return outcome.out


def refused(outcome: Outcome) -> str:
    """What a command said that was refused, in words and without a traceback."""
    assert outcome.code == 2, outcome.out + outcome.err
    assert "Traceback" not in outcome.err
    return outcome.out + outcome.err


def set_policy(federation: Federation, site: str, **keys: int | str) -> None:
    """Edit a site's policy."""
    change_settings(federation.lab.site_folder(site) / "policy.yaml", keys)


def invite_all(federation: Federation, *accepting: str | Path) -> dict[str, str]:
    """Write a new invitation, and let every site accept it; what each was shown."""
    invitation = federation.lab.coordinator / "invitation.json"
    done(coordinator(federation, "invite", "--out", invitation))
    return accept_all(federation, *accepting)


def accept_all(federation: Federation, *more: str | Path) -> dict[str, str]:
    """Let every site accept the invitation that lies there; what each was shown."""
    invitation = federation.lab.coordinator / "invitation.json"
    accept = ("accept", invitation, "--yes", *more)
    return {name: done(hospital(federation, name, *accept)) for name in federation.names}


def run_on(federation: Federation) -> str:
    """Start the aggregator again, wait for its end, and give the digest of the last model."""
    federation.start_aggregator()
    return await_end(federation)


def await_end(federation: Federation) -> str:
    """Wait for the aggregator's end, and give the digest of the last model, which the journal names as well."""
    federation.wait_until(lambda: federation.ended() is not None, "the end of the run")
    assert federation.ended() == 0, federation.story()
    return last_model(federation)


def last_model(federation: Federation) -> str:
    """Digest of the last global model."""
    return str(federation.said(AGGREGATOR, Journal.ROUND_COMMITTED)[-1].facts["model"])


def _run(federation: Federation, module: str, *words: str | Path) -> Outcome:
    finished = subprocess.run(
        module_command(module, *words),
        env=federation.lab.settings.machine.environment(),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return Outcome(finished.returncode, finished.stdout, finished.stderr)
