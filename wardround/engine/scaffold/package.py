"""A package with one part: its row, its implementation, a test and what an installer reads."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from wardround import __version__
from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.problems import Findings, did_you_mean
from wardround.engine.parts import Kind, builtin_and_plugins

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class PartPackage:
    """A package that was written.

    Attributes:
        kind: of its part.
        name: of its part, as a study names it.
        folder: where it lies.
        use: how a study names the part, a line of YAML.
    """

    kind: Kind
    name: str
    folder: Path
    use: str


_USES: Mapping[Kind, str] = {
    Kind.PREPROCESSING: "preprocessing: [{name}]",
    Kind.AUGMENTATION: "augmentation: [{name}]",
    Kind.NETWORK: "model: {{name: {name}, dimensions: 3}}",
    Kind.LOSS: "training: {{loss: {name}}}",
    Kind.METRIC: "validation: {{metrics: [dice, {name}]}}",
    Kind.OPTIMIZER: "training: {{optimizer: {name}}}",
    Kind.SCHEDULE: "training: {{schedule: {name}}}",
    Kind.POSTPROCESSING: "inference: {{postprocessing: [{name}]}}",
}
"""Where a study names a part of each kind, beside what else it says there."""
SCAFFOLDED: tuple[Kind, ...] = tuple(_USES)
"""The kinds of which a package can be written."""


def new_part(word: str, name: str, folder: Path | None) -> PartPackage:
    """Write a package for a part of the kind `word` called `name`, in `folder` or else in one named after it.

    What is written works: it can be installed, its own test passes, and a study that names the part trains.

    Raises:
        InputError: there is no such kind, the name cannot be one or is taken, or the folder exists.
    """
    target = folder or Path(_distribution(name))
    _check(word, name, target)
    kind = Kind(word)
    for place, content in _contents(kind, name).items():
        write_atomic(target / place, content.encode())
    return PartPackage(kind, name, target, _USES[kind].format(name=name))


def _check(word: str, name: str, target: Path) -> None:
    findings = Findings()
    if word not in SCAFFOLDED:
        kinds = ", ".join(SCAFFOLDED)
        remedy = did_you_mean(word, SCAFFOLDED)
        findings.add("unknown kind of part", got=repr(word), expected=f"one of {kinds}", remedy=remedy)
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or name.endswith("_"):
        findings.add(
            "this cannot be the name of a part",
            got=repr(name),
            expected="lower-case letters, digits and _, at most 40, a letter first, and no word of Python's own",
            remedy="Choose a name such as `focal_dice`",
        )
    elif word in SCAFFOLDED:
        _check_free(Kind(word), name, findings)
    if target.exists() or target.is_symlink():
        remedy = "Choose another folder with --out, or remove this one"
        findings.add("the folder exists", where=str(target), expected="a new folder", remedy=remedy)
    findings.raise_if_any()


def _check_free(kind: Kind, name: str, findings: Findings) -> None:
    if name in builtin_and_plugins().names(kind):
        what = f"there is a {kind} of this name already"
        findings.add(what, got=repr(name), remedy="Choose another name: a study must mean one part by it")
    elif find_spec(_package(name)) is not None:
        remedy = "Choose another name, or uninstall that package"
        findings.add("a package of this name is installed already", got=_package(name), remedy=remedy)


def _package(name: str) -> str:
    return f"wardround_{name}"


def _distribution(name: str) -> str:
    return f"wardround-{name.replace('_', '-')}"


def _contents(kind: Kind, name: str) -> dict[str, str]:
    """Every file of the package by its place."""
    words = {
        "kind": kind.value,
        "name": name,
        "parameters": "".join(part.capitalize() for part in name.split("_") if part),
        "package": _package(name),
        "distribution": _distribution(name),
        "release": __version__,
        "use": _USES[kind].format(name=name),
    }
    templates = {
        "pyproject.toml": "pyproject.txt",
        "README.md": "readme.txt",
        f"{_package(name)}/__init__.py": "package.txt",
        f"{_package(name)}/rows.py": f"{kind}_rows.txt",
        f"{_package(name)}/implementation.py": f"{kind}_implementation.txt",
        f"tests/test_{name}.py": f"{kind}_test.txt",
        f"tests/test_{name}_as_part.py": "part_test.txt",
    }
    home = files("wardround.engine.scaffold") / "templates"
    return {
        place: Template((home / template).read_text(encoding="utf-8")).substitute(words)
        for place, template in templates.items()
    }
