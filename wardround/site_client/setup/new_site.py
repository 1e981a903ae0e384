"""`site-client init`: a site's keys and files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from wardround.engine.basics.files import is_missing, write_settings
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.reading import naming_place
from wardround.engine.study.documents import parse_document, validate_document
from wardround.federation.identities import EnrolmentRequest, SiteKeys, fingerprint
from wardround.federation.protocol import SiteName
from wardround.site_client.agreement.settings import SiteSettings

SITE_FILE, POLICY_FILE = "site.yaml", "policy.yaml"
_SYNCHRONISED = (
    "dropbox",
    "onedrive",
    "nextcloud",
    "owncloud",
    "googledrive",
    "icloud",
    "seafile",
    "pcloud",
    "megasync",
)
_MARKS = (".stfolder", ".dropbox", ".nextcloudsync.log", ".owncloudsync.log")
"""How folders are called, and what lies in them, that Dropbox, Syncthing and the like keep the same on all machines."""
_NAME: TypeAdapter[str] = TypeAdapter(SiteName)
_LATER = "; with `--later` the table may come after this command"
_PRIVATE_FOLDER, _ONLY_OWNER_WRITES = 0o700, 0o644

_SITE_TEMPLATE = """\
# This machine. Relative paths start at this file's folder.
schema: 1
name: {name}
manifest: {manifest}     # the table of the cases
work: work               # preprocessed cases, checkpoints, results, logs
device: auto             # auto, cpu, cuda or cuda:N
# threads: 4             # CPU threads for training
keys: keys               # private keys; nobody else may read them
policy: policy.yaml      # what this hospital allows
accepted: accepted.json  # written by `site-client accept`
# address: host:port     # only if this site reaches the aggregator under another address than the invitation's
# health_port: 50051     # gRPC health service on 127.0.0.1
# store_limit: 200 GB    # how much disk preprocessed cases may take; those used longest ago make room
"""

_POLICY_TEMPLATE = """\
# What this hospital allows, whatever an aggregator asks. Only the owner of this file may change it.
schema: 1

# With fewer training cases than this the site takes no part: an update from few cases says much about each of them.
minimum_train_cases: 5

# A metric over fewer validation or test cases than this does not leave the site.
minimum_validation_cases: 2

# Kinds of study that may run here.
tasks: [segmentation, classification]

# The longest plan that may be accepted.
maximum_rounds: 1000
maximum_steps: 1000000

# Metrics that may leave: all of the study's, or a list such as [dice, loss]. `dice` covers `dice.anterior`.
metrics: all

# automatic: a finished result that has passed every check is sent at once.
release: automatic

# Pieces of work beyond one for each round, for an aggregator that was set back to an earlier round.
allowance: 3

# MB that models sent by the aggregator may take in the work folder.
task_megabytes: 8192

# Whether the cases may change after training has begun: refuse (until `site-client accept-cohort`), or allow.
cohort_changes: refuse
"""


@dataclass(frozen=True)
class NewSite:
    """What `init` made.

    Attributes:
        request: the file for the coordinator.
        fingerprint: of the signing key, for the telephone.
        files: everything that was written for people to read.
    """

    request: Path
    fingerprint: str
    files: tuple[Path, ...]


def create_site(folder: Path, name: str, manifest: Path) -> NewSite:
    """Make keys, enrolment request, `site.yaml` and `policy.yaml` in `folder`.

    Raises:
        InputError: the name cannot be used, or any of the files exists already; nothing is written then.
    """
    site, policy, request, keys = (
        folder / SITE_FILE,
        folder / POLICY_FILE,
        folder / f"{name}.pub",
        folder / "keys",
    )
    _refuse_synchronised(folder)
    site_text = _site_text(folder, name, manifest)
    _refuse_existing((site, policy, request, keys))
    folder.mkdir(parents=True, exist_ok=True)
    keys.mkdir(mode=_PRIVATE_FOLDER)
    made = SiteKeys.create(keys)
    EnrolmentRequest.create(name, made).save(request)
    request.chmod(_ONLY_OWNER_WRITES)
    write_settings(policy, _POLICY_TEMPLATE.encode())
    write_settings(site, site_text.encode())
    return NewSite(request, fingerprint(made.signing_public), (site, policy))


def check_wishes(folder: Path, name: str, manifest: Path, *, later: bool) -> None:
    """Raise `InputError` with all that is wrong with what was asked for, before any key is made.

    With `later` the table, or its rows, may come after this command; what is there already must be a table's all the
    same.
    """
    findings = Findings()
    with findings.gather():
        _check_name(name)
    with findings.gather():
        _check_folder(folder)
    with findings.gather():
        if later:
            _check_what_is_there(manifest)
        else:
            _check_table(manifest)
    findings.raise_if_any()


def _check_table(manifest: Path) -> None:
    """A table with names of columns and rows; what the rows hold is for `site-client check` to tell."""
    from wardround.engine.cohort.columns import Layout  # which the courier must not load
    from wardround.engine.cohort.manifest import count_under_heading, without_rows

    with _asked_for(manifest, _LATER if is_missing(manifest) or _is_empty(manifest) else ""):
        if not count_under_heading(manifest, Layout.without_study()):
            raise InputError([without_rows(manifest)])


def _check_what_is_there(manifest: Path) -> None:
    """As much of a table as there is, where the rest is still to come."""
    from wardround.engine.cohort.columns import Layout  # which the courier must not load
    from wardround.engine.cohort.manifest import count_under_heading

    if not is_missing(manifest) and not _is_empty(manifest):
        with _asked_for(manifest, ""):
            count_under_heading(manifest, Layout.without_study())


@contextmanager
def _asked_for(manifest: Path, hint: str) -> Iterator[None]:
    """While the table is read: its problems are those of the option that named it."""
    try:
        with naming_place("--manifest"):
            yield
    except InputError as error:
        told = (replace(problem, remedy=f"{problem.remedy.removesuffix('.')}{hint}") for problem in error.problems)
        raise InputError(told) from None


def _is_empty(manifest: Path) -> bool:
    """Whether the table is still to be filled."""
    return manifest.is_file() and not manifest.stat().st_size


def _check_name(name: str) -> None:
    try:
        _NAME.validate_python(name)
    except ValidationError:
        raise InputError.one(
            "this name cannot be used",
            where="--name",
            got=repr(name),
            expected="lower-case letters, digits and hyphens, at most 32, such as `north`",
            remedy="Write for example `--name north`",
        ) from None


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError.one(
            "this is no folder",
            where="--folder",
            got=f"{folder}: a file",
            expected="a folder for keys and settings, which is made where there is none",
            remedy="Name a folder, such as `--folder north`",
        )


def _site_text(folder: Path, name: str, manifest: Path) -> str:
    _check_name(name)
    shown = manifest.resolve()
    home = folder.resolve()
    written = shown.relative_to(home) if shown.is_relative_to(home) else shown
    quoted = "'" + str(written).replace("'", "''") + "'"
    text = _SITE_TEMPLATE.format(name=name, manifest=quoted)
    validate_document(SiteSettings, parse_document(text, Path(SITE_FILE)))
    return text


def _refuse_synchronised(folder: Path) -> None:
    """Keys and patients' data must not lie where a program copies every file to other machines."""
    places = (folder.resolve(), *folder.resolve().parents)
    for place in places:
        plain = re.sub(r"[^a-z]", "", place.name.lower())
        marked = next((mark for mark in _MARKS if (place / mark).exists()), "")
        if plain.startswith(_SYNCHRONISED) or marked:
            raise InputError.one(
                "this folder is copied to other machines by a program that synchronises files",
                where=str(folder),
                got=str(place / marked) if marked else str(place),
                expected="a folder of this machine alone: private keys and preprocessed images will lie there",
                remedy="Choose another one with `--folder`",
            )


def _refuse_existing(paths: tuple[Path, ...]) -> None:
    findings = Findings()
    remedy = "Choose another folder. The keys here may be enrolled already: keep them, whatever you do with the rest"
    for path in paths:
        if path.exists():
            findings.add("it exists already", where=str(path), remedy=remedy)
    findings.raise_if_any()
