"""Where the cases of a manifest come from, where one of its free columns says so."""

from __future__ import annotations

import re
from pathlib import Path

from wardround.engine.basics.problems import Findings
from wardround.engine.cohort.tables import read_table

_NAMES = (
    "site", "hospital", "centre", "center", "institution", "institute", "clinic", "scanner", "cohort", "source",
    "vendor", "manufacturer",
)  # fmt: skip


def origins(manifest: Path) -> dict[str, str]:
    """The site of each subject, from the first column that is called so (`Site`, `hospital_id`, `Centre`); empty where
    there is none. Raises `InputError` where the table cannot be read."""
    table = read_table(manifest, Findings())
    columns = {_plain(column): column for column in reversed(table.columns)}
    found = next((columns[name] for name in _NAMES if name in columns), None)
    if found is None or "SubjectID" not in table.columns:
        return {}
    return {row.cells["SubjectID"]: row.cells[found] for row in table.rows if row.cells[found]}


def _plain(column: str) -> str:
    letters = re.sub(r"[^a-z]", "", column.lower())
    return re.sub(r"(id|name|code|number)$", "", letters)
