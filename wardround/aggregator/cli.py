"""`aggregator`: the coordinator's program."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

import wardround
from wardround.aggregator.examples import EXAMPLES
from wardround.engine.basics.printable import say, say_json, say_text
from wardround.engine.cli.runner import ExitCode, run

app = typer.Typer(pretty_exceptions_enable=False)

Config = Annotated[Path, typer.Option("--config", help="The federation file.")]
_DEFAULT = Path("federation.yaml")
_NEW_PLAN = "A run that has begun needs a new plan for that, which all sites accept: `aggregator continue`"


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"wardround {wardround.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _serve(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", help="Run this federation, or resume it.")] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Coordinate a federation: `init`, `enroll` the sites, `invite` them, then run with `--config federation.yaml`."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        say_text(context.get_help())
        raise typer.Exit(ExitCode.BAD_INPUT)
    from wardround.aggregator.run import run_federation

    raise typer.Exit(run_federation(config))


@app.command()
def init(
    name: Annotated[str, typer.Option(help="Name of the federation: small letters, digits, hyphens.")],
    study: Annotated[Path, typer.Option(help="The study file.")],
    address: Annotated[str, typer.Option(help="host:port at which the sites reach the aggregator.")],
    rounds: Annotated[int, typer.Option(help="Rounds of training.")] = 20,
    local_steps: Annotated[int, typer.Option(help="Optimiser steps of each site in each round.")] = 100,
    folder: Annotated[Path, typer.Option(help="Where to put keys, roster and federation file.")] = Path(),
    also_name: Annotated[
        list[str] | None, typer.Option(help="A further name or IP address for the certificate; may be given again.")
    ] = None,
) -> None:
    """Make keys, certificates, an empty roster and a federation file."""
    from wardround.aggregator.roster.certificates import CA_FILE
    from wardround.aggregator.setup import NewFederation, create_federation
    from wardround.federation.addresses import is_this_machine, split_address

    path = create_federation(folder, NewFederation(name, study, address, rounds, local_steps, tuple(also_name or ())))
    say(f"{path}: the federation; read it, and change what does not fit")
    say(f"{folder / 'keys'}: secrets that must not leave this machine (only {CA_FILE} is public)")
    if is_this_machine(split_address(address)[0]):
        say(f"Note: {address} is this machine alone; sites elsewhere need its name, as `address` in {path.name}")
    say("Next: `aggregator enroll NAME NAME.pub` for every site, then `aggregator invite`")


@app.command()
def enroll(
    name: Annotated[str, typer.Argument(help="The site's name, as its staff told you.")],
    request: Annotated[Path, typer.Argument(help="The NAME.pub file that `site-client init` wrote.")],
    config: Config = _DEFAULT,
) -> None:
    """Add a site to the roster."""
    from wardround.aggregator.coordination import absolute_folders, read_federation
    from wardround.aggregator.roster.enrolment import enrol
    from wardround.federation.identities import fingerprint

    home, settings = read_federation(config)
    member = enrol(absolute_folders(home, settings.folders).roster, name, request)
    say(f"{member.name} is enrolled. Compare its fingerprint with the site's staff over the telephone:")
    say(f"  {fingerprint(member.signing_key)}")


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The site that no longer takes part.")],
    config: Config = _DEFAULT,
) -> None:
    """Take a site from the roster."""
    from wardround.aggregator.coordination import absolute_folders, read_federation
    from wardround.aggregator.roster.enrolment import remove as take_out

    home, settings = read_federation(config)
    take_out(absolute_folders(home, settings.folders).roster, name)
    say(f"{name} is no longer in the roster. {_NEW_PLAN}")


@app.command()
def replace(
    name: Annotated[str, typer.Argument(help="The site that made new keys.")],
    request: Annotated[Path, typer.Argument(help="The NAME.pub file of its new keys.")],
    config: Config = _DEFAULT,
) -> None:
    """Give a site of the roster the keys of its new request."""
    from wardround.aggregator.coordination import absolute_folders, read_federation
    from wardround.aggregator.roster.enrolment import replace_keys
    from wardround.federation.identities import fingerprint

    home, settings = read_federation(config)
    member = replace_keys(absolute_folders(home, settings.folders).roster, name, request)
    say(f"{member.name} has new keys. Compare the fingerprint with the site's staff over the telephone:")
    say(f"  {fingerprint(member.signing_key)}")
    say(_NEW_PLAN)


@app.command(name="continue")
def continue_training(
    rounds: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Rounds of the whole training, those done included.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where to write the invitation.")] = Path("invitation.json"),
    config: Config = _DEFAULT,
) -> None:
    """Carry a training on, with more rounds or another roster, under a new plan that all sites accept."""
    from wardround.aggregator.carrying_on import carry_on
    from wardround.aggregator.invite import require_free, write_invitation

    require_free(out)
    carried = carry_on(config, rounds)
    invitation = write_invitation(carried.coordination, out)
    say(f"After {carried.rounds_done} rounds the training goes on under a new plan:")
    say(*(f"  {line}" for line in carried.changes))
    if carried.surveys_anew:
        say("Under it the sites' training cases are surveyed, and preprocessing is fitted to the answers.")
    say(f"{out}: send it to {', '.join(invitation.roster.names)}; each runs `site-client accept {out.name}`")
    say(f"Plan: {invitation.plan.digest}")
    say(f"Then: `aggregator --config {config}`")


@app.command()
def invite(
    out: Annotated[Path, typer.Option(help="Where to write the invitation.")] = Path("invitation.json"),
    config: Config = _DEFAULT,
) -> None:
    """Write the invitation that all sites accept. It contains no secret."""
    from wardround.aggregator.coordination import load_coordination
    from wardround.aggregator.invite import require_free, write_invitation
    from wardround.engine.trial import trial_pass
    from wardround.federation.identities import fingerprint
    from wardround.federation.invitation import shown_authority

    require_free(out)
    invitation = write_invitation(load_coordination(config, trial=trial_pass), out)
    say(f"{out}: send it to {', '.join(invitation.roster.names)}; each runs `site-client accept {out.name}`")
    say(
        "For the telephone; each site compares them before it accepts:",
        f"  coordinator            {fingerprint(invitation.coordinator_key)}",
        f"  certificate authority  {shown_authority(invitation.ca_pem)}",
    )
    say(f"Plan: {invitation.plan.digest}")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The site whose keys nobody may use any more.")], config: Config = _DEFAULT
) -> None:
    """Revoke a site's keys; a running aggregator refuses them at once and goes on by its rules."""
    from wardround.aggregator.coordination import absolute_folders, read_federation
    from wardround.aggregator.roster.keyring import revoke as revoke_keys
    from wardround.federation.identities import fingerprint

    home, settings = read_federation(config)
    member = revoke_keys(absolute_folders(home, settings.folders).roster, name)
    say(
        f"{name}: the key {fingerprint(member.signing_key)} is revoked; nobody speaks for the site",
        "Its staff makes new keys with `site-client rotate-keys`; take them with `aggregator rotate-key`",
    )


@app.command()
def rotate_key(
    name: Annotated[str, typer.Argument(help="The site's name.")],
    request: Annotated[Path, typer.Argument(help="The file that `site-client rotate-keys` wrote.")],
    config: Config = _DEFAULT,
    fingerprint: Annotated[
        str | None, typer.Option(help="The new fingerprint, where the present key was revoked or lost.")
    ] = None,
) -> None:
    """Take a site's new keys; a running aggregator uses them at once, and the plan stays."""
    from wardround.aggregator.coordination import absolute_folders, read_federation
    from wardround.aggregator.roster.keyring import rotate
    from wardround.federation.identities import fingerprint as fingerprint_of

    home, settings = read_federation(config)
    member = rotate(absolute_folders(home, settings.folders).roster, name, request, fingerprint)
    say(f"{name} speaks with new keys from now on: {fingerprint_of(member.signing_key)}")


@app.command()
def rotate_coordinator_key(config: Config = _DEFAULT) -> None:
    """Make a new coordinator's key, signed by the former one; every site accepts a new invitation. The plan stays."""
    from wardround.aggregator.coordination import load_coordination
    from wardround.aggregator.invite import rotate_coordinator
    from wardround.aggregator.rounds.state import StateFolder
    from wardround.federation.identities import fingerprint

    coordination = load_coordination(config)
    with StateFolder(coordination.folders.state).locked():
        public = rotate_coordinator(coordination)
    say(
        f"The coordinator's fingerprint is now {fingerprint(public)}",
        "Next: `aggregator invite`; each site types this fingerprint when it accepts. Then start the aggregator again",
    )


@app.command()
def certificate(config: Config = _DEFAULT) -> None:
    """Issue a new server certificate for address and names in the federation file; sites need not do anything."""
    from wardround.aggregator.coordination import absolute_folders, read_federation
    from wardround.aggregator.setup import renew_certificate

    home, settings = read_federation(config)
    path = renew_certificate(absolute_folders(home, settings.folders).keys, settings.hosts)
    say(f"{path}: issued for {', '.join(settings.hosts)}; a running aggregator takes it up within seconds")


@app.command()
def check(
    config: Config = _DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print the federation, or the problems, as JSON.")] = False,
) -> None:
    """Check the federation file and all that it names, and try the study's parts; say every problem at once."""
    from wardround.aggregator.coordination import load_coordination
    from wardround.aggregator.invited import as_invited
    from wardround.aggregator.showing.summary import describe_federation, federation_as_json
    from wardround.engine.trial import trial_pass

    coordination = as_invited(load_coordination(config, trial=trial_pass))
    if as_json:
        say_json(federation_as_json(coordination))
    else:
        say(*describe_federation(coordination))


@app.command(name="strategies")
def list_strategies() -> None:
    """List the strategies that a federation file can name, with their parameters and defaults."""
    from wardround.aggregator.showing.installed import describe_broken, describe_strategies
    from wardround.engine.basics.loudness import note

    note(*describe_broken())
    say(*describe_strategies())


@app.command()
def status(
    config: Config = _DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how the run stands: rounds, best model, every site."""
    from wardround.aggregator.showing.status import describe_status, read_status

    found = read_status(config)
    if as_json:
        say_json(found.model_dump(mode="json"))
    else:
        say(*describe_status(found))


@app.command()
def undo(
    number: Annotated[int, typer.Argument(metavar="ROUND", help="The first round to undo.")],
    config: Config = _DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
) -> None:
    """Undo a committed round and all after it; the run goes on from the model before. Their folders are kept."""
    from wardround.aggregator.undo import describe_foreseen, foresee, undo_rounds

    if not yes:
        say(*describe_foreseen(foresee(config, number)), "To do it, say the same with --yes.")
        raise typer.Exit(ExitCode.BAD_INPUT)
    undone = undo_rounds(config, number)
    say(f"rounds {undone.first} to {undone.last} are undone; they lie in {undone.folder}")
    say(f"`aggregator --config {config}` goes on with round {undone.first}")


@app.command()
def end(config: Config = _DEFAULT, yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False) -> None:
    """End a run before its last round, and tell the sites. What was learned stays."""
    from wardround.aggregator.ending import end_run, require_run

    require_run(config)
    if not yes:
        say(
            "This ends the run before its last round. Models, history and report stay, and the sites are told that it",
            "has ended. `aggregator reopen` takes it up again. To do it, say the same with --yes.",
        )
        raise typer.Exit(ExitCode.BAD_INPUT)
    if end_run(config):
        say("the run is ended: the aggregator that runs tells the sites, and ends")
        return
    from wardround.aggregator.run import run_federation

    say("the run is ended; now the sites are told")
    run_federation(config)


@app.command()
def reopen(config: Config = _DEFAULT) -> None:
    """Take a run up again that was ended with `aggregator end`."""
    from wardround.aggregator.ending import reopen_run

    reopen_run(config)
    say(f"`aggregator --config {config}` goes on where the run was ended")


@app.command()
def sites(config: Config = _DEFAULT) -> None:
    """List the roster with fingerprints."""
    from wardround.aggregator.coordination import absolute_folders, read_federation
    from wardround.aggregator.roster.enrolment import read_roster
    from wardround.aggregator.roster.key_changes import read_changes
    from wardround.aggregator.roster.keyring import believed
    from wardround.federation.identities import fingerprint

    home, settings = read_federation(config)
    path = absolute_folders(home, settings.folders).roster
    sites = believed(read_roster(path), read_changes(path))
    for name, each in sites.items():
        say(f"{name:<32}  {'revoked' if each.revoked else fingerprint(each.member.signing_key)}")
    if not sites:
        say("nobody is enrolled yet: `aggregator enroll NAME NAME.pub`")


def main() -> int:
    """Run `aggregator`; returns the exit code. What it writes is its user's alone, whatever the umask was."""
    os.umask(0o077)
    return run(app, examples=EXAMPLES)
