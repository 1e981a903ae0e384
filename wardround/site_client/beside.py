"""Settings of a site that are at fault, and whatever is wrong with the files that they name: all in one pass."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import JsonValue

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.cohort.columns import Layout
from wardround.engine.cohort.manifest import survey_manifest
from wardround.engine.study.documents import read_document, require_kind
from wardround.federation.identities import SiteKeys
from wardround.site_client.agreement import load_agreement
from wardround.site_client.settings import SiteSettings, load_policy, load_settings


def settings_or_all_beside(config: Path) -> SiteSettings:
    """The settings; where they are at fault, the error tells of the files that they name as well."""
    try:
        return load_settings(config)
    except InputError as error:
        findings = Findings(list(error.problems))
    with contextlib.suppress(InputError):  # a file that cannot be read at all, or is another one, names no others
        document = read_document(config, "site file")
        require_kind(SiteSettings, document, "site file")
        _check_beside(document.content, config.absolute().parent, findings)
    raise InputError(findings.problems)


def _check_beside(content: JsonValue, home: Path, findings: Findings) -> None:
    """The files of a site whose settings are at fault, where these name them or are silent."""
    stated = content if isinstance(content, dict) else {}
    checks: Mapping[str, Callable[[Path], object]] = {
        "policy": load_policy,
        "keys": SiteKeys.load,
        "accepted": load_agreement,
        "manifest": lambda path: findings.extend(survey_manifest(path, Layout.without_study()).problems),
    }
    for key, check in checks.items():
        named = stated.get(key, SiteSettings.model_fields[key].default)
        if isinstance(named, str | Path):
            with findings.gather():
                check(home / named)
