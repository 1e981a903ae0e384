"""Within a package nothing is in a circle: a module can be read and changed after those that it uses, and alone."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.architecture.source import Module, modules

Graph = Mapping[str, frozenset[str]]


def imports_of(all_modules: Iterable[Module]) -> dict[str, set[str]]:
    """By module those that it imports, also lazily, within functions and for types alone; packages by their name."""
    found = {module.name: module for module in all_modules}
    edges: dict[str, set[str]] = {name: set() for name in found}
    for name, module in found.items():
        for target, _ in module.imports():
            known = _module_of(target, found.keys())
            if known and known != name:
                edges[name].add(known)
    return edges


def _module_of(target: str, names: Iterable[str]) -> str:
    """The module that an imported name leads to; empty for one of another distribution."""
    while target and target not in names:
        target = target.rpartition(".")[0]
    return target


def children_of(package: str, edges: Mapping[str, set[str]]) -> Graph:
    """Which modules and folders of a package import which others of it, by all that lies within them."""
    inside = {name: _child(package, name) for name in edges if name.startswith(f"{package}.")}
    graph: dict[str, set[str]] = {child: set() for child in inside.values()}
    for name, child in inside.items():
        graph[child] |= {inside[target] for target in edges[name] if target in inside} - {child}
    return {child: frozenset(targets) for child, targets in graph.items()}


def _child(package: str, name: str) -> str:
    return name[len(package) + 1 :].split(".")[0]


def circle_in(graph: Graph) -> list[str]:
    """The nodes of a circle, in the order in which they import each other; empty where there is none."""
    done: set[str] = set()
    for start in sorted(graph):
        found = _from(start, graph, [], done)
        if found:
            return found
    return []


def _from(node: str, graph: Graph, path: list[str], done: set[str]) -> list[str]:
    if node in path:
        return [*path[path.index(node) :], node]
    if node in done:
        return []
    for target in sorted(graph[node]):
        found = _from(target, graph, [*path, node], done)
        if found:
            return found
    done.add(node)
    return []


def _packages() -> Iterator[str]:
    return (module.name for module in modules() if module.is_package)


def test_no_package_has_a_circle() -> None:
    edges = imports_of(modules())
    circles = {package: circle_in(children_of(package, edges)) for package in _packages()}
    told = [f"{package}: {' -> '.join(circle)}" for package, circle in circles.items() if circle]
    assert not told, "\n".join(told)


def test_the_check_saw_the_whole_house() -> None:
    edges = imports_of(modules())
    assert len(edges) > 480
    assert sum(len(targets) for targets in edges.values()) > 2000
    graphs = [children_of(package, edges) for package in _packages()]
    assert len(graphs) > 40
    assert sum(len(targets) for graph in graphs for targets in graph.values()) > 800
    assert children_of("wardround", edges)["site_client"] == {"engine", "federation"}


def _modules(**sources: str) -> list[Module]:
    places = {"p": "", "p.folder": "", **{name.replace("__", "."): source for name, source in sources.items()}}
    return [Module(name, Path(f"{name}.py"), ast.parse(source)) for name, source in places.items()]


def test_a_circle_is_found_whatever_kind_of_import_closes_it() -> None:
    lazy = "def f():\n    from p.c import x\n"
    typed = "if TYPE_CHECKING:\n    import p.a\n"
    edges = imports_of(_modules(p__a="from p.b import y\n", p__b=lazy, p__c=typed))
    assert circle_in(children_of("p", edges)) == ["a", "b", "c", "a"]


def test_a_circle_between_folders_is_found_though_their_modules_have_none() -> None:
    edges = imports_of(
        _modules(p__folder__low="", p__folder__high="import p.other.low", p__other__low="from p.folder import low")
    )
    assert circle_in(children_of("p", edges)) == ["folder", "other", "folder"]
    assert not circle_in(children_of("p.folder", edges))


def test_what_has_no_circle_passes() -> None:
    assert not circle_in({"a": frozenset({"b", "c"}), "b": frozenset({"c"}), "c": frozenset()})
