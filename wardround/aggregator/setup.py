"""`aggregator init`: keys, certificates, an empty roster and a commented federation file in a folder."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from wardround.aggregator.roster.certificates import (
    CA_FILE,
    CA_KEY_FILE,
    SERVER_FILE,
    SERVER_KEY_FILE,
    Issued,
    issue_authority,
    issue_server,
    matching_authority,
)
from wardround.aggregator.roster.enrolment import write_roster
from wardround.aggregator.settings import Federation, Folders
from wardround.engine.basics.files import write_private, write_settings
from wardround.engine.basics.keeping import Kept, require_kept
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.study import load_study
from wardround.engine.study.documents import parse_document, validate_document
from wardround.federation.identities import COORDINATOR_FILE, CoordinatorKey, Roster

FEDERATION_FILE = "federation.yaml"

_TEMPLATE = """\
# A federation: who computes what, where and for how long. Paths are relative to this file.
# The sites accept federation, study, horizon, strategy, fold and the roster; a run that has begun cannot change those.
schema: 1
federation: {name}
study: {study}
address: {address}        # where the sites reach the aggregator; part of its certificate and of the invitation
names: {names}                 # further names and IP addresses for the certificate; see `aggregator certificate`
listen: {listen}     # where it listens on this machine; [::] is every interface, IPv4 and IPv6
folders: {{keys: keys, state: state, results: results, roster: roster.json}}

horizon: {{rounds: {rounds}, local_steps: {local_steps}}}   # the learning-rate schedule runs over rounds x local_steps
strategy: fedavg
# initial: model          # begin with this model folder or safetensors file, not from the study's seed
fold: 0                   # which outer fold of the study is the test set at every site
evaluation: {{final: true}} # after the last round, score the last model at every site; `test: false` leaves test
                          # cases out, `metrics: [dice, loss]` says which scores leave a site (all without it)

quorum: all               # or a number: the sites that a round needs at least
deadline: forever         # or seconds: each site has them from when it is ready, then a round goes on with the quorum
# grace: 60               # seconds for the others once the quorum is there; otherwise a tenth of the deadline
# patience: 3600          # a site in trouble (cases, disk, worker) for so many seconds of a round counts as declining
# preparing: 86400        # so does one that has prepared its cases for so many seconds, until it is ready; or forever
below_quorum: wait        # or stop: what happens when the quorum cannot be had
on_decline: continue      # or stop: whether one site's refusal ends the run

weights: {{by: cases}}      # or equal; with cap: 0.5 no site is more than half of the mean; the sites accept it
updates: {{largest: 10}}    # an update that moves the model above 10 times as far as the median one is refused

# health_port: 9444       # gRPC health service, on this machine only
# limits: {{slowest_line: 512, chunk: 512, reply: 4096}}   # kbit/s; kB per object on the wire; MB per reply
"""


@dataclass(frozen=True)
class NewFederation:
    """What `init` is told. `address` is `host:port` as the sites reach it; `study` is an existing study file.

    `names` are further names and IP addresses by which sites reach the aggregator.
    """

    name: str
    study: Path
    address: str
    rounds: int
    local_steps: int
    names: tuple[str, ...] = ()


_OPTIONS = {
    "federation": "--name",
    "address": "--address",
    "horizon.rounds": "--rounds",
    "horizon.local_steps": "--local-steps",
}
_MOST_PORT, _USUAL_PORT = 65535, "9443"


def create_federation(folder: Path, new: NewFederation) -> Path:
    """Make a federation in `folder` and return its file.

    Raises:
        InputError: a value cannot be used, the study is not valid, or one of the files exists already; then nothing
            is written.
    """
    text = _federation_text(folder, new)
    findings = Findings()
    with findings.gather():
        load_study(new.study)
    hosts: tuple[str, ...] = ()
    try:
        hosts = validate_document(Federation, parse_document(text, folder / FEDERATION_FILE)).hosts
    except InputError as error:
        findings.extend(map(_as_typed, error.problems))
    _refuse_existing(folder, findings)
    findings.raise_if_any()
    folder.mkdir(parents=True, exist_ok=True)
    _create_keys(folder / Folders().keys, new.name, hosts)
    write_roster(folder / Folders().roster, Roster(members=()))
    write_settings(folder / FEDERATION_FILE, text.encode())
    return folder / FEDERATION_FILE


def renew_certificate(keys: Path, hosts: Iterable[str]) -> Path:
    """A new server certificate for these hosts, signed by the authority that the sites trust already.

    A running aggregator takes it up within seconds.

    Raises:
        InputError: the authority's files cannot be used.
    """
    _write_server(keys, _authority(keys), hosts)
    return keys / SERVER_FILE


def _authority(keys: Path) -> Issued:
    certificate, key = keys / CA_FILE, keys / CA_KEY_FILE
    require_kept(key, Kept.SECRET, "private key")
    try:
        return matching_authority(certificate.read_bytes(), key.read_bytes())
    except OSError as error:
        raise InputError.one(
            "the authority's files cannot be read",
            where=str(error.filename),
            got=error.strerror or "",
            expected=f"{CA_FILE} and {CA_KEY_FILE}, as `aggregator init` made them",
            remedy="Restore them from the backup, or have their rights mended; sites trust this authority and no other",
        ) from None
    except ValueError as error:
        raise InputError.one(
            "the authority's certificate and private key cannot be used",
            where=f"{certificate} with {key}",
            got=str(error),
            remedy="Restore both from the backup; sites trust this authority and no other",
        ) from None


def _as_typed(problem: Problem) -> Problem:
    """A problem of a file that is not there yet, as one of the option that its value came from."""
    key = problem.where.rpartition(", ")[2]
    option = "--also-name" if key.startswith("names.") else _OPTIONS.get(key)
    if option is None:
        return problem
    remedy = problem.remedy.replace(f"`{key.rpartition('.')[2]}: ", f"`{option} ")
    return replace(problem, where=option, remedy=remedy)


def _port_to_listen_on(address: str) -> str:
    """The port of an address. One that has none, or none that can be, is told as that and by itself."""
    port = address.rpartition(":")[2]
    is_port = port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= _MOST_PORT
    return port if is_port else _USUAL_PORT


def _federation_text(folder: Path, new: NewFederation) -> str:
    study = os.path.relpath(new.study.resolve(), folder.resolve())
    return _TEMPLATE.format(
        name=json.dumps(new.name),
        study=json.dumps(study),
        address=json.dumps(new.address),
        names=json.dumps(new.names),
        listen=json.dumps(f"[::]:{_port_to_listen_on(new.address)}"),
        rounds=new.rounds,
        local_steps=new.local_steps,
    )


def _refuse_existing(folder: Path, findings: Findings) -> None:
    keys = folder / Folders().keys
    names = (CA_FILE, CA_KEY_FILE, SERVER_FILE, SERVER_KEY_FILE, COORDINATOR_FILE)
    for path in (folder / FEDERATION_FILE, folder / Folders().roster, *(keys / name for name in names)):
        if path.exists():
            findings.add("the file exists already", where=str(path), remedy="Choose another folder, or move it away")


def _create_keys(keys: Path, name: str, hosts: Iterable[str]) -> None:
    keys.mkdir(parents=True, exist_ok=True)
    keys.chmod(0o700)
    authority = issue_authority(name, datetime.datetime.now(datetime.UTC))
    write_private(keys / CA_KEY_FILE, authority.key)
    write_settings(keys / CA_FILE, authority.certificate)
    _write_server(keys, authority, hosts)
    CoordinatorKey.create(keys)


def _write_server(keys: Path, authority: Issued, hosts: Iterable[str]) -> None:
    server = issue_server(authority, hosts, datetime.datetime.now(datetime.UTC))
    write_private(keys / SERVER_KEY_FILE, server.key)
    write_settings(keys / SERVER_FILE, server.certificate)
