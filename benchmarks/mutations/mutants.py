"""The faults that mutmut can make in a room's modules, and a sample of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import Mutation, MutationVisitor
from mutmut.mutation.mutators import mutation_operators, operator_string
from mutmut.mutation.pragma_handling import IgnoredCode

OPERATORS = [pair for pair in mutation_operators if pair[1] is not operator_string]
"""All but those that change the text of a string: nearly every one would be another wording of a message."""


@dataclass(frozen=True)
class Mutant:
    """One fault: the module, relative to the checkout, its place, and how the line and the whole module change."""

    module: str
    line: int
    before: str
    after: str
    tree: libcst.Module
    mutation: Mutation

    @property
    def name(self) -> str:
        """One line that tells it from the others."""
        return f"{self.module}:{self.line}: {' '.join(self.before.split())}  ->  {' '.join(self.after.split())}"

    def source(self) -> str:
        """The changed module."""
        changed = self.tree.deep_replace(self.mutation.original_node, self.mutation.mutated_node)
        assert isinstance(changed, libcst.Module)
        return changed.code


def mutants_of(root: Path, modules: str) -> list[Mutant]:
    """Every fault in the modules of a folder below `root`, in a fixed order."""
    paths = sorted((root / modules).glob("*.py"))
    return [mutant for path in paths for mutant in _mutants(path, path.relative_to(root).as_posix())]


def sample(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """So many of them, in the order in which they were drawn: the first of a sample are a smaller sample."""
    chosen = random.Random(seed).sample(range(len(mutants)), min(count, len(mutants)))
    return [mutants[index] for index in chosen]


def _mutants(path: Path, module: str) -> Iterator[Mutant]:
    wrapper = MetadataWrapper(libcst.parse_module(path.read_text()))
    visitor = MutationVisitor(OPERATORS, IgnoredCode(set(), set(), set()))
    tree = wrapper.visit(visitor)
    lines = wrapper.resolve(PositionProvider)
    for mutation in visitor.mutations:
        before, after = mutation.original_node, mutation.mutated_node
        line = lines[before].start.line
        yield Mutant(module, line, tree.code_for_node(before), tree.code_for_node(after), tree, mutation)
