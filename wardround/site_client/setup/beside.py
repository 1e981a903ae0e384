"""Settings of a site that are at fault, and whatever is wrong with the files that they name: all in one pass."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.reading import read_named
from wardround.engine.cohort.columns import Layout, Truth
from wardround.engine.cohort.manifest import count_under_heading, survey_manifest
from wardround.engine.study.documents import Document, read_document, require_kind, validate_document
from wardround.federation.identities import SiteKeys
from wardround.site_client.agreement.agreement import (
    Agreement,
    check_membership,
    check_policy,
    load_agreement,
    owner_of,
)
from wardround.site_client.agreement.readiness import require_ready, require_table
from wardround.site_client.agreement.requested import requested_name, require_requested_name
from wardround.site_client.agreement.settings import SiteSettings, load_settings, read_policy
from wardround.site_client.worker.folds import too_few_for_the_plan

_LINE = re.compile(r"([a-z_]+): +(?:'([^']*)'|\"([^\"]*)\"|([^#'\"\s][^#]*?))\s*(?:#.*)?")
"""A key and its text in a file that as a whole is no YAML."""
_STAND_INS: dict[str, JsonValue] = {"schema": 1, "name": "unknown", "manifest": "unknown.csv"}
"""In the place of what is required and cannot be used; nothing that these would name is looked at."""
_KEYS = frozenset(("name", "manifest", "keys", "policy", "accepted"))
"""What can be compared with other files."""


def settings_or_all_beside(config: Path) -> SiteSettings:
    """The settings; where they are at fault, the error tells of the files that they name as well."""
    try:
        return load_settings(config)
    except InputError as error:
        problems = error.problems
    with contextlib.suppress(InputError):  # a file that cannot be read at all, or is another one, names no others
        problems = tuple(_with_all_beside(config, problems))
    raise InputError(problems)


def require_startable(settings: SiteSettings) -> Agreement:
    """The agreement of a site that can begin, its table included.

    Raises:
        InputError: what `require_ready` tells, and where the table of the cases is none, or has too few for the plan.
    """
    findings, agreement = Findings(), None
    with findings.gather():
        agreement = require_ready(settings)
    with findings.gather():
        require_table(settings)
        count_under_heading(settings.manifest, _layout(agreement))
        findings.extend(_shortage(settings, agreement))
    findings.raise_if_any()
    if agreement is None:
        raise AssertionError("an agreement that cannot be read leaves a problem behind")
    return agreement


def _with_all_beside(config: Path, problems: Iterable[Problem]) -> Iterable[Problem]:
    """The problems of the settings, and those of the files that they name, as far as their keys can be read."""
    stated, told = _stated(config), [*problems]
    faulty = {problem.where.rpartition(", ")[2].partition(".")[0] for problem in told}
    usable = {key: value for key, value in stated.items() if key in _KEYS - faulty}
    settings = validate_document(SiteSettings, Document.of_values(config, {**_STAND_INS, **usable})).read_from(config)
    beside = _Beside(settings, frozenset(usable), frozenset(faulty))
    beside.look()
    return [*(beside.with_enrolled_name(problem) for problem in told), *beside.findings.problems]


def _stated(config: Path) -> dict[str, JsonValue]:
    """The keys of a site file, line by line where it is no YAML. Raises `InputError` where it is another file."""
    try:
        content = read_document(config, "site file").content
    except InputError:
        text = read_named(config, "site file").decode(errors="replace")
        found = [match for line in text.splitlines() if (match := _LINE.fullmatch(line))]
        keys = [match[1] for match in found]  # of a key that stands twice nobody knows which is meant
        content = {match[1]: match[2] or match[3] or match[4] for match in found if keys.count(match[1]) == 1}
    stated = content if isinstance(content, dict) else {}
    require_kind(SiteSettings, Document.of_values(config, stated), "site file")
    if not _KEYS & stated.keys():
        raise InputError([])
    return stated


def _shortage(settings: SiteSettings, agreement: Agreement | None) -> list[Problem]:
    """What is wrong with the number of cases, also where something else keeps the site from beginning."""
    with contextlib.suppress(InputError):  # what cannot be read is told already
        return too_few_for_the_plan(settings, agreement or load_agreement(settings.accepted))
    return []


def _layout(agreement: Agreement | None) -> Layout:
    return Layout.without_study() if agreement is None else Layout.of(agreement.study, Truth.REQUIRED)


@dataclass
class _Beside:
    """The files of settings that are at fault. What a faulty key would name is left out."""

    settings: SiteSettings
    usable: frozenset[str]
    faulty: frozenset[str]

    def __post_init__(self) -> None:
        self.findings = Findings()
        self.enrolled = ""

    def look(self) -> None:
        """Read each file, and compare them with each other."""
        settings, findings = self.settings, self.findings
        keys = agreement = None
        policy = None if "policy" in self.faulty else read_policy(settings.policy, findings)
        with findings.gather():
            keys = None if "keys" in self.faulty else SiteKeys.load(settings.keys)
        with findings.gather():
            agreement = None if "accepted" in self.faulty else load_agreement(settings.accepted)
        if policy is not None and agreement is not None:
            with findings.gather():
                check_policy(policy, agreement, settings.policy)
        if agreement is not None:
            self._compare(keys, agreement)
        else:
            self._compare_with_request(keys)
        if "manifest" in self.usable:
            self._survey(agreement)

    def with_enrolled_name(self, problem: Problem) -> Problem:
        """A problem of the name with the one that these keys have, in the place of an example."""
        if not self.enrolled or not problem.where.endswith(", name"):
            return problem
        remedy = f"Write `name: {self.enrolled}`, the name of these keys"
        return replace(problem, expected=self.enrolled, remedy=remedy)

    def _compare(self, keys: SiteKeys | None, agreement: Agreement) -> None:
        if "name" not in self.usable:
            self.enrolled = "" if keys is None else owner_of(keys, agreement.invitation.roster)
            return
        with self.findings.gather():
            check_membership(self.settings, keys, agreement)

    def _compare_with_request(self, keys: SiteKeys | None) -> None:
        if "name" not in self.usable:
            self.enrolled = "" if keys is None else requested_name(keys, self.settings.home)
            return
        with self.findings.gather():
            require_requested_name(self.settings, keys)

    def _survey(self, agreement: Agreement | None) -> None:
        with self.findings.gather():
            require_table(self.settings)
            self.findings.extend(survey_manifest(self.settings.manifest, _layout(agreement)).problems)
            self.findings.extend(too_few_for_the_plan(self.settings, agreement) if agreement is not None else ())
