"""`site-client`: the hospital's program."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import wardround
from wardround.engine.basics.printable import complain, say, say_json, say_text
from wardround.engine.cli.runner import ExitCode, run
from wardround.site_client.examples import EXAMPLES

if TYPE_CHECKING:
    from wardround.site_client.agreement.settings import SiteSettings
    from wardround.site_client.setup.acceptance import Trusted

app = typer.Typer(pretty_exceptions_enable=False)

Config = Annotated[Path, typer.Option("--config", help="The site file.")]
FollowParent = Annotated[bool, typer.Option("--follow-parent", hidden=True)]
_DEFAULT = Path("site.yaml")


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"wardround {wardround.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _serve(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", help="Run this site.")] = None,
    local: Annotated[bool, typer.Option("--local", help="Train here alone, with the same engine.")] = False,
    study: Annotated[Path | None, typer.Option(help="With --local: a study file instead of the accepted one.")] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> int:
    """Take part in a federation: `init`, `accept` an invitation, `check`, then run with `--config site.yaml`."""
    if context.invoked_subcommand is not None:
        return ExitCode.OK
    if config is None:
        say_text(context.get_help())
        return ExitCode.BAD_INPUT
    if local:
        from wardround.site_client.alone import train_alone

        train_alone(config, study)
        return ExitCode.OK
    from wardround.site_client.supervisor import supervise

    return supervise(config)


@app.command()
def init(
    name: Annotated[str, typer.Option(help="Name of this site: small letters, digits, hyphens.")],
    manifest: Annotated[Path, typer.Option(help="The table of the cases.")],
    folder: Annotated[Path, typer.Option(help="Where to put keys and files.")] = Path(),
    later: Annotated[bool, typer.Option("--later", help="The table does not exist yet; it will lie there.")] = False,
) -> None:
    """Make this site's keys, its enrolment request, site.yaml and policy.yaml."""
    from wardround.site_client.setup.new_site import check_wishes, create_site

    check_wishes(folder, name, manifest, later=later)
    made = create_site(folder, name, manifest)
    for path in made.files:
        say(f"{path}: read it, and change what does not fit")
    say(
        f"{made.request}: send it to the coordinator",
        f"Fingerprint, for the telephone: {made.fingerprint}",
    )
    if not manifest.is_file():
        say(f"note: {manifest}: there is no such table yet; `manifest` in site.yaml names it")
    say("Next: `site-client accept invitation.json` when the invitation has come")


@app.command()
def accept(
    invitation: Annotated[Path, typer.Argument(help="The invitation.json that the coordinator sent.")],
    config: Config = _DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    fingerprint: Annotated[
        list[str] | None,
        typer.Option(help="The new fingerprint, where the coordinator's key or the authority has changed."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; nothing is accepted without --yes.")] = False,
) -> int:
    """Show what an invitation asks for, and what it takes of this site, and if you agree, pin it."""
    from wardround.site_client.setup.acceptance import describe_offer, offer_as_json, open_offer
    from wardround.site_client.setup.costs import measure

    offer, typed = open_offer(invitation, config), list(fingerprint or ())
    costs = None
    if as_json or not yes:
        complain("a few steps are timed on this machine ...")
        costs = measure(offer.settings, offer.invitation.open_study(), offer.invitation.plan)
    if as_json and costs is not None:
        accepted = str(offer.accept(typed)) if yes else None
        say_json({**offer_as_json(offer, costs), "accepted": accepted})
        return ExitCode.OK if yes else ExitCode.INCOMPLETE
    say(*describe_offer(offer, costs))
    if not yes and not _agrees(offer.strangers, typed):
        say("Nothing was accepted.")
        return ExitCode.INCOMPLETE
    say(f"{offer.accept(typed)}: accepted. Next: `site-client check`, then `site-client --config {config}`")
    return ExitCode.OK


def _agrees(strangers: Sequence[Trusted], typed: list[str]) -> bool:
    """Ask a person for the fingerprints of those that are new, unless they were given, and whether they accept."""
    if not typed:
        typed.extend(typer.prompt(f"Type the fingerprint of the new {each.who}") for each in strangers)
    return typer.confirm("Do you accept this plan for this site?")


@app.command("accept-cohort")
def accept_cohort(
    config: Config = _DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Let training go on with cases that have changed since it began; the worker must have met the change."""
    from wardround.site_client.agreement.agreement import load_agreement
    from wardround.site_client.agreement.settings import load_settings
    from wardround.site_client.worker.pinned import CohortPins

    settings = load_settings(config)
    pins = CohortPins.of(settings.work, load_agreement(settings.accepted).plan.study)
    proposal = pins.proposal()
    if proposal is not None:
        say(f"Rows: {proposal.change}. Known patients keep their sets.")
    if proposal is not None and not yes and not typer.confirm("Does training go on with these cases?"):
        say("Nothing was accepted.")
        return ExitCode.INCOMPLETE
    pins.accept()
    say("accepted: the worker goes on with these cases at its next try")
    return ExitCode.OK


@app.command()
def rotate_keys(config: Config = _DEFAULT) -> None:
    """Replace this site's keys by new ones, which the present ones sign. What was accepted stays."""
    from wardround.site_client.agreement.rotation import rotate_keys as rotate
    from wardround.site_client.agreement.settings import load_settings

    made = rotate(load_settings(config))
    say(
        f"{made.request}: send it to the coordinator, who runs `aggregator rotate-key`",
        f"New fingerprint, for the telephone: {made.fingerprint}",
        "Until then the aggregator knows the former keys only, and the site waits",
    )


@app.command()
def check(
    config: Config = _DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Leave the aggregator out.")] = False,
) -> int:
    """Find everything that would keep this site from working."""
    from wardround.site_client.setup.checklist import as_json as described
    from wardround.site_client.setup.checklist import show
    from wardround.site_client.setup.preflight import check_site, raise_problems

    flight = check_site(config, online=not offline)
    if as_json:
        say_json(described(flight))
        return ExitCode.BAD_INPUT if flight.findings.problems else ExitCode.OK
    show(flight)
    raise_problems(flight)
    return ExitCode.OK


@app.command()
def status(
    config: Config = _DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what runs here, what it works on, and what came of it."""
    from wardround.site_client.status import describe_status, read_status

    settings = _overseen(config)
    if as_json:
        say_json(read_status(settings).model_dump(mode="json"))
    else:
        say(*describe_status(settings))


@app.command()
def report(config: Config = _DEFAULT) -> None:
    """Write what this site took part in, as a page and as JSON, into the work folder. The end of a run does it too."""
    from wardround.site_client.agreement.agreement import load_agreement
    from wardround.site_client.courier.own_report import DATA, PAGE, write_own_report

    settings = _overseen(config)
    write_own_report(settings, load_agreement(settings.accepted))
    say(*(str(settings.work / name) for name in (PAGE, DATA)))


@app.command()
def log(
    config: Config = _DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Every event, one JSON object a line.")] = False,
) -> None:
    """Show what this site did."""
    from wardround.site_client.events import describe
    from wardround.site_client.status import whole_log

    for entry in whole_log(_overseen(config).work):
        if as_json:
            head = {"time": entry.time, "role": entry.role, "event": entry.event}
            say_json({**head, **entry.facts}, indent=None)
        elif described := describe(entry):
            say(f"{entry.time[:10]} {described}")


def _overseen(config: Path) -> SiteSettings:
    """The settings, for a command that looks at what courier and worker both have."""
    from wardround.site_client.agreement.settings import load_settings
    from wardround.site_client.between.two_users import require_overview

    settings = load_settings(config)
    require_overview(settings.work)
    return settings


@app.command()
def courier(config: Config = _DEFAULT, follow_parent: FollowParent = False) -> None:
    """Run the courier alone (network and keys, no data)."""
    from wardround.federation.identities import SiteKeys
    from wardround.site_client.agreement.readiness import require_ready
    from wardround.site_client.agreement.settings import load_settings
    from wardround.site_client.courier.process import run_courier
    from wardround.site_client.events import EventLog, Role
    from wardround.site_client.processes import on_duty

    settings = load_settings(config)
    with on_duty(settings.work, Role.COURIER, follow_parent=follow_parent) as stop:
        agreement, keys = require_ready(settings), SiteKeys.load(settings.keys)
        run_courier(settings, agreement, keys, EventLog(settings.work, Role.COURIER), stop)


@app.command()
def worker(config: Config = _DEFAULT, follow_parent: FollowParent = False) -> int:
    """Run the worker alone (data and device, no network). It exits with 75 when it needs a fresh process."""
    from wardround.site_client.agreement.readiness import require_agreement
    from wardround.site_client.agreement.settings import load_settings
    from wardround.site_client.events import EventLog, Role
    from wardround.site_client.processes import on_duty
    from wardround.site_client.worker.process import run_worker

    settings = load_settings(config)
    with on_duty(settings.work, Role.WORKER, follow_parent=follow_parent) as stop:
        agreement = require_agreement(settings)
        return run_worker(settings, agreement, EventLog(settings.work, Role.WORKER), stop)


def main() -> int:
    """Run `site-client`; returns the exit code. What it writes is its user's alone, whatever the umask was."""
    os.umask(0o077)
    return run(app, examples=EXAMPLES)
