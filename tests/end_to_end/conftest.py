"""The prepared federations, and the run that nothing disturbs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.end_to_end.federation import Copy, Federation, Template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Three sites that have accepted two rounds of 24 steps."""
    return Template.prepare(tmp_path_factory.mktemp("three") / "federation")


@pytest.fixture(scope="session")
def lone_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """One site that has accepted two rounds of 24 steps."""
    return Template.prepare(tmp_path_factory.mktemp("one") / "federation", sites=("north",))


@pytest.fixture(scope="session")
def undisturbed(template: Template, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Digest of the final weights of three sites that nothing disturbs."""
    with template.copy(tmp_path_factory.mktemp("undisturbed") / "federation") as federation:
        federation.start()
        return federation.finish()


@pytest.fixture(scope="session")
def lone_undisturbed(lone_template: Template, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Digest of the final weights of one site that nothing disturbs."""
    with lone_template.copy(tmp_path_factory.mktemp("alone") / "federation") as federation:
        federation.start()
        return federation.finish()


@pytest.fixture
def federation_of(tmp_path: Path) -> Iterator[Copy]:
    """Makes copies of a template that end with the test."""
    with ExitStack() as stack:

        def make(template: Template, changes: Mapping[str, JsonValue] | None = None) -> Federation:
            return stack.enter_context(template.copy(tmp_path / f"federation-{len(list(tmp_path.iterdir()))}", changes))

        yield make


@pytest.fixture
def federation(template: Template, federation_of: Copy) -> Federation:
    """A copy of the three sites' federation, not started."""
    return federation_of(template)
