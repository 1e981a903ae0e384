"""A federation as its coordinator runs it: settings, study, roster and keys, read and checked together."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from wardround.aggregator.fitting import Fitting
from wardround.aggregator.roster.certificates import CA_FILE
from wardround.aggregator.roster.enrolment import read_roster
from wardround.aggregator.roster.key_changes import read_changes
from wardround.aggregator.roster.key_folder import read_keys
from wardround.aggregator.rounds.state import StateFolder
from wardround.aggregator.settings import Federation, Folders
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.reading import naming_place, require_config, require_file
from wardround.engine.inspection.preflight import Trial, in_file, no_trial
from wardround.engine.study import Study, load_study
from wardround.engine.study.documents import Document, load_settings_file, read_document, require_kind, usable_part
from wardround.federation.identities import CoordinatorKey, Roster
from wardround.federation.own_runs import of_own_runs
from wardround.federation.paths import flaw_of_whole
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
    settings = study = key = None
    with findings.gather():
        settings = load_settings_file(Federation, path, "federation file")
    stated, faulty = usable_part(Federation, document, _STAND_INS)
    with findings.gather():
        study = load_study(_study_path(document, home))
        findings.extend(in_file(_study_path(document, home), [*trial(study), *of_own_runs(study)]))
    folders = absolute_folders(home, stated.folders)
    looked_at = _named_or_there(folders, faulty)
    roster = _roster(folders, looked_at, findings)
    notes: list[str] = []
    if folders.keys in looked_at:
        hosts = () if "address" in faulty else stated.hosts
        key = read_keys(folders.keys, hosts, today or datetime.datetime.now(datetime.UTC), findings, notes)
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
    where `aggregator init` puts them; beside another file nothing is looked at."""
    try:
        document = read_document(path, "federation file")
    except InputError as error:
        findings = Findings(list(error.problems))
    else:
        require_kind(Federation, document, "federation file")
        return document
    folders = absolute_folders(home, Folders())
    looked_at = _named_or_there(folders, {"folders"})
    _roster(folders, looked_at, findings)
    if folders.keys in looked_at:
        read_keys(folders.keys, (), datetime.datetime.now(datetime.UTC), findings, [])
    raise InputError(findings.problems)


def _named_or_there(folders: Folders, faulty: Collection[str]) -> tuple[Path, ...]:
    """Roster and keys; where the file does not say for sure in which folder they lie, those of them that are there."""
    places = (folders.roster, folders.keys)
    return tuple(place for place in places if "folders" not in faulty or place.exists())


def _roster(folders: Folders, looked_at: Collection[Path], findings: Findings) -> Roster | None:
    roster = None
    if folders.roster in looked_at:
        with findings.gather():
            roster = read_roster(folders.roster)
            read_changes(folders.roster)
    return roster


def _study_path(document: Document, home: Path) -> Path:
    content = document.content
    named = content.get("study") if isinstance(content, dict) else None
    if not isinstance(named, str) or flaw_of_whole(named):
        # The missing or mistyped key is reported with the other problems of the file.
        raise InputError([])
    path = home / named
    with naming_place(document.place(("study",))):
        require_file(path, "study")
    return path
