"""A federation as its coordinator runs it: settings, study, roster and keys, read and checked together."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from pydantic import JsonValue

from wardround.aggregator.certificates import CA_FILE, CA_KEY_FILE, SERVER_FILE, SERVER_KEY_FILE, serves
from wardround.aggregator.enrolment import read_roster
from wardround.aggregator.fitting import Fitting
from wardround.aggregator.key_changes import read_changes
from wardround.aggregator.rounds.state import StateFolder
from wardround.aggregator.settings import Federation, Folders
from wardround.engine.basics.keeping import Kept, check_kept, require_kept
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.reading import naming_place, read_named, require_config, require_file
from wardround.engine.inspection.preflight import Trial, in_file, no_trial
from wardround.engine.study import Study, load_study
from wardround.engine.study.documents import Document, load_settings_file, read_document, require_kind, usable_part
from wardround.federation.expiry import expiry_sentence
from wardround.federation.flower.tls import certificate_dates
from wardround.federation.identities import CoordinatorKey, Roster
from wardround.federation.protocol import Continuation, Plan

SUCCESSION_FILE = "succession.json"
_STAND_INS: Mapping[str, JsonValue] = {
    "schema": 1,
    "federation": "unknown",
    "study": "unknown.yaml",
    "address": "localhost:1",
    "horizon": {"rounds": 1, "local_steps": 1},
}
"""In the place of what is required and cannot be used; nothing is looked at that these would name."""
_BEGINNING = "A new federation begins with `aggregator init --name NAME --study study.yaml --address HOST:PORT`"


@dataclass(frozen=True)
class Coordination:
    """A checked federation. `home` is the folder of its file; every other path is absolute.

    Attributes:
        initial: digest of the model that it begins with, if one was given.
        after: what the run carries on, if it does.
    """

    home: Path
    settings: Federation
    study: Study
    roster: Roster
    key: CoordinatorKey
    notes: tuple[str, ...]
    initial: str | None = None
    after: Continuation | None = None

    @property
    def folders(self) -> Folders:
        """The folders of the settings, absolute."""
        return absolute_folders(self.home, self.settings.folders)

    @property
    def quorum(self) -> int:
        """Sites that a round needs at least."""
        return self.settings.quorum or len(self.roster.members)

    @property
    def plan(self) -> Plan:
        """What the sites accept; its digest is in every work key."""
        return Plan(
            federation=self.settings.federation,
            study=self.study.digest,
            horizon=self.settings.horizon,
            strategy=self.settings.strategy.terms,
            fold=self.settings.fold,
            roster=self.roster.digest,
            validation=self.settings.evaluation.checks,
            leaves=self.settings.evaluation.leaves,
            weights=self.settings.weights,
            require=self.settings.require,
            initial=self.initial,
            after=self.after,
        )

    @property
    def ca_pem(self) -> str:
        """Certificate of the authority that the sites trust."""
        return (self.folders.keys / CA_FILE).read_text()


def absolute_folders(home: Path, folders: Folders) -> Folders:
    """The folders with paths that do not depend on where a command is run."""
    return Folders(**{name: home / path for name, path in folders.model_dump().items()})


def read_federation(path: Path) -> tuple[Path, Federation]:
    """Folder and settings of a federation file. Raises `InputError` with every problem of the file."""
    require_config(path, "federation file", "federation.yaml", _BEGINNING)
    return path.resolve().parent, load_settings_file(Federation, path, "federation file")


def load_coordination(path: Path, *, today: datetime.datetime | None = None, trial: Trial = no_trial) -> Coordination:
    """Read a federation file and all that it names, and try its strategy, and with `trial` the study's parts.

    Raises `InputError` with every problem of all of them.
    """
    require_config(path, "federation file", "federation.yaml", _BEGINNING)
    home, findings = path.resolve().parent, Findings()
    document = _document_or_all_beside(path, home)
    settings = study = None
    with findings.gather():
        settings = load_settings_file(Federation, path, "federation file")
    stated, faulty = usable_part(Federation, document, _STAND_INS)
    with findings.gather():
        study = load_study(_study_path(document, home))
        findings.extend(in_file(_study_path(document, home), trial(study)))
    folders = absolute_folders(home, stated.folders)
    looked_at = _named_or_there(folders, faulty)
    roster, key = _roster_and_key(folders, looked_at, findings)
    notes: list[str] = []
    if folders.keys in looked_at:
        hosts = () if "address" in faulty else stated.hosts
        _check_certificates(hosts, folders.keys, today or datetime.datetime.now(datetime.UTC), findings, notes)
    fitting = Fitting(document, stated, folders, study, roster)
    findings.extend(fitting.problems())
    held, initial = StateFolder(folders.state).pinned(), None
    with findings.gather():
        initial = fitting.initial(held)
    findings.raise_if_any()
    if settings is None or study is None or roster is None or key is None:
        raise AssertionError("what could not be read must have left a problem behind")
    notes.extend(fitting.notes())
    return Coordination(home, settings, study, roster, key, tuple(notes), initial, held.after if held else None)


def _document_or_all_beside(path: Path, home: Path) -> Document:
    """The federation file as lines and values. Where it has none, the error tells as well of roster and keys that lie
    where `aggregator init` puts them."""
    try:
        document = read_document(path, "federation file")
        require_kind(Federation, document, "federation file")
    except InputError as error:
        findings = Findings(list(error.problems))
    else:
        return document
    folders = absolute_folders(home, Folders())
    _roster_and_key(folders, _named_or_there(folders, {"folders"}), findings)
    raise InputError(findings.problems)


def _named_or_there(folders: Folders, faulty: Collection[str]) -> tuple[Path, ...]:
    """Roster and keys; where the file does not say for sure in which folder they lie, those of them that are there."""
    places = (folders.roster, folders.keys)
    return tuple(place for place in places if "folders" not in faulty or place.exists())


def _roster_and_key(
    folders: Folders, looked_at: Collection[Path], findings: Findings
) -> tuple[Roster | None, CoordinatorKey | None]:
    roster = key = None
    if folders.roster in looked_at:
        with findings.gather():
            roster = read_roster(folders.roster)
            read_changes(folders.roster)
    if folders.keys in looked_at:
        with findings.gather():
            key = CoordinatorKey.load(folders.keys)
    return roster, key


def _study_path(document: Document, home: Path) -> Path:
    content = document.content
    named = content.get("study") if isinstance(content, dict) else None
    if not isinstance(named, str):
        # The missing or mistyped key is reported with the other problems of the file.
        raise InputError([])
    path = home / named
    with naming_place(document.place(("study",))):
        require_file(path, "study")
    return path


def _check_certificates(
    hosts: Sequence[str], keys: Path, today: datetime.datetime, findings: Findings, notes: list[str]
) -> None:
    authority = server = None
    with findings.gather():
        authority = _certificate(keys / CA_FILE)
    with findings.gather():
        server = _certificate(keys / SERVER_FILE)
    with findings.gather():
        _require_key(keys / SERVER_KEY_FILE)
    check_kept(keys / CA_KEY_FILE, Kept.SECRET, "private key", findings)
    check_kept(keys / CA_FILE, Kept.SETTINGS, "authority's certificate, which every invitation names", findings)
    if authority is not None:
        _check_dates(authority, keys / CA_FILE, today, findings, notes)
    if server is None:
        return
    _check_dates(server, keys / SERVER_FILE, today, findings, notes)
    missing = [host for host in hosts if not serves(server, host)]
    if missing:
        findings.add(
            "the server certificate does not name the address",
            where=str(keys / SERVER_FILE),
            got="other names",
            expected=", ".join(missing),
            remedy="Issue a new one with `aggregator certificate`",
        )


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(read_named(path, "certificate"))
    except ValueError:
        remedy = "Restore it from the backup, or issue a new one with `aggregator certificate`"
        raise InputError.one(
            "this is not a certificate", where=str(path), got="other bytes", expected="a PEM file", remedy=remedy
        ) from None


def _require_key(path: Path) -> None:
    require_file(path, "server's private key")
    require_kept(path, Kept.SECRET, "private key")


def _check_dates(
    certificate: x509.Certificate, path: Path, today: datetime.datetime, findings: Findings, notes: list[str]
) -> None:
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= today <= last:
        findings.add(
            "the certificate is not valid today",
            where=str(path),
            got=f"valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}",
            expected=f"a certificate that is valid on {today:%Y-%m-%d}",
            remedy="Issue a new one with `aggregator certificate`",
        )
    elif (warning := expiry_sentence(path.name, last, today)) != "":
        notes.append(warning)


def certificate_notes(keys: Path, today: datetime.datetime) -> tuple[str, ...]:
    """What is to be said of the dates of server certificate and authority; nothing while all is well."""
    said = []
    for name in (SERVER_FILE, CA_FILE):
        try:
            said.append(expiry_sentence(name, certificate_dates(keys / name)[1], today))
        except (OSError, ValueError):
            said.append(f"{name} cannot be read")
    return tuple(sentence for sentence in said if sentence)
