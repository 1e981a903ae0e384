"""The one table of exit codes is that of the programs."""

from __future__ import annotations

import re

from tests.docs.test_docs import ROOT
from wardround.engine.cli.runner import ExitCode

ROW = re.compile(r"^\| (\d+) \|", re.MULTILINE)


def test_the_table_has_each_code_once_and_the_other_pages_lead_to_it() -> None:
    page = (ROOT / "docs" / "researcher.md").read_text().partition("## Exit codes")[2]
    assert [int(code) for code in ROW.findall(page)] == sorted(ExitCode)
    for name in ("hospital-it.md", "coordinator.md"):
        assert "researcher.md#exit-codes" in (ROOT / "docs" / name).read_text()


def test_the_supported_systems_are_said() -> None:
    for name in ("README.md", "docs/hospital-it.md"):
        text = (ROOT / name).read_text()
        assert all(word in text for word in ("x86_64", "aarch64", "macOS", "Windows"))
