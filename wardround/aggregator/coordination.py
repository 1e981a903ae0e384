"""A federation as its coordinator runs it: settings, study, roster and keys, read and checked together."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from wardround.aggregator.certificates import CA_FILE, CA_KEY_FILE, SERVER_FILE, SERVER_KEY_FILE, serves
from wardround.aggregator.enrolment import read_roster
from wardround.aggregator.key_changes import read_changes
from wardround.aggregator.rounds.state import StateFolder
from wardround.aggregator.settings import Federation, Folders
from wardround.aggregator.strategies.trial import try_strategy
from wardround.engine.basics.keeping import Kept, check_kept, require_kept
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.reading import naming_place, read_named, require_config, require_file
from wardround.engine.inspection.preflight import Trial, in_file, no_trial
from wardround.engine.study import Study, load_study
from wardround.engine.study.documents import Document, load_settings_file, read_document, require_kind
from wardround.federation.expiry import expiry_sentence
from wardround.federation.flower.tls import certificate_dates
from wardround.federation.identities import CoordinatorKey, Roster
from wardround.federation.metric_names import LOSS, unknown_metrics
from wardround.federation.protocol import Continuation, Plan

SUCCESSION_FILE = "succession.json"
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
    settings = study = roster = key = None
    with findings.gather():
        settings = load_settings_file(Federation, path, "federation file")
    with findings.gather():
        study = load_study(_study_path(document, home))
        findings.extend(in_file(_study_path(document, home), trial(study)))
    folders = absolute_folders(home, settings.folders if settings is not None else Folders())
    with findings.gather():
        roster = read_roster(folders.roster)
        read_changes(folders.roster)
    with findings.gather():
        key = CoordinatorKey.load(folders.keys)
    notes: list[str] = []
    now = today or datetime.datetime.now(datetime.UTC)
    _check_certificates(settings.hosts if settings is not None else (), folders.keys, now, findings, notes)
    _check_quorum(_quorum(document), folders.roster, roster, document, findings)
    if settings is not None:
        _note_quorum(settings, roster, notes)
        _check_fold(settings, study, document, findings)
        _check_metrics(settings, study, document, findings)
        findings.extend(try_strategy(settings.strategy, document.place(("strategy",))))
    held, initial = StateFolder(folders.state).pinned(), None
    with findings.gather():
        initial = _initial(settings, study, held, folders, document, notes)
    findings.raise_if_any()
    if settings is None or study is None or roster is None or key is None:
        raise AssertionError("what could not be read must have left a problem behind")
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
    if folders.roster.exists():
        with findings.gather():
            read_roster(folders.roster)
            read_changes(folders.roster)
    if folders.keys.exists():
        with findings.gather():
            CoordinatorKey.load(folders.keys)
    raise InputError(findings.problems)


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


def _initial(
    settings: Federation | None,
    study: Study | None,
    held: Plan | None,
    folders: Folders,
    document: Document,
    notes: list[str],
) -> str | None:
    """Digest of the given model, if there is one. Once the run has begun its file is of no use, and may be gone."""
    if settings is None or study is None or settings.initial is None:
        return None
    place, path = document.place(("initial",)), document.path.resolve().parent / settings.initial
    if path.resolve().is_relative_to(folders.results.resolve()):
        raise InputError.one(
            "the initial model lies where this federation writes its own",
            where=place,
            got=str(path),
            expected="a folder outside the results",
            remedy="Copy it to another folder first",
        )
    if not path.exists() and held is not None and held.initial is not None:
        return held.initial
    from wardround.aggregator.initial import given_arrays, given_digest, notes_on

    digest = given_digest(given_arrays(path, study, place))
    notes.extend(notes_on(path, study))
    return digest


def _quorum(document: Document) -> int | None:
    """The number that the file states, also where other keys cannot be used; None for another value or none."""
    stated = document.content.get("quorum") if isinstance(document.content, dict) else None
    return stated if isinstance(stated, int) and not isinstance(stated, bool) else None


def _check_quorum(
    quorum: int | None, path: Path, roster: Roster | None, document: Document, findings: Findings
) -> None:
    if roster is None:
        return
    count = len(roster.members)
    if not count:
        findings.add(
            "the roster is empty",
            where=str(path),
            got="no site",
            expected="one or more",
            remedy="Add each site with `aggregator enroll NAME NAME.pub`",
        )
    elif quorum is not None and quorum > count:
        findings.add(
            "the quorum is above the number of sites",
            where=document.place(("quorum",)),
            got=str(quorum),
            expected=f"at most {count} ({', '.join(roster.names)})",
            remedy="Lower it, write `quorum: all`, or enrol the missing sites with `aggregator enroll`",
        )


def _note_quorum(settings: Federation, roster: Roster | None, notes: list[str]) -> None:
    count = 0 if roster is None else len(roster.members)
    if settings.quorum is not None and settings.quorum < count and settings.deadline is None:
        notes.append(
            "the quorum is below the roster, but without a deadline a round waits for every site all the same, "
            "except for those that decline and those that are in trouble for longer than `patience`"
        )


def _check_fold(settings: Federation, study: Study | None, document: Document, findings: Findings) -> None:
    if study is not None and settings.fold >= study.validation.outer_folds:
        findings.add(
            "the study has no such outer fold",
            where=document.place(("fold",)),
            got=str(settings.fold),
            expected=f"0 to {study.validation.outer_folds - 1}",
            remedy="Folds are counted from 0; write one of these, or raise `outer_folds` in the study",
        )


def _check_metrics(settings: Federation, study: Study | None, document: Document, findings: Findings) -> None:
    """Names of scores that may leave: those of the study's metrics and the loss."""
    if study is None or settings.evaluation.metrics is None:
        return
    known = (*(metric.name for metric in study.validation.metrics), LOSS)
    for flaw in unknown_metrics(settings.evaluation.metrics, known):
        where = document.place(("evaluation", "metrics", *flaw.location))
        what = f"the study has no metric {flaw.word!r}"
        findings.add(what, where=where, got=flaw.got, expected=flaw.expected, remedy=flaw.way_out)


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
