"""Which of this project's files a text is, by its keys: one in the place of another is called by its name.

a text that has the keys `invitation` and `signature`       an invitation
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class KnownFile:
    """A kind of file.

    Attributes:
        noun: what people call it, such as "site file".
        article: that which stands before the noun.
        keys: those by which it is known; it has all of them.
        alone: keys of which one will do, since no other file has it.
        taken: what takes it, as a clause.
    """

    noun: str
    article: str
    taken: str
    keys: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()

    @property
    def called(self) -> str:
        """The noun with its article."""
        return f"{self.article} {self.noun}"

    def has(self, keys: Collection[str]) -> bool:
        """Whether a file with these keys is of this kind."""
        return (bool(self.keys) and self.keys <= set(keys)) or not self.alone.isdisjoint(keys)


_KNOWN = (
    KnownFile("invitation", "an", "`site-client accept` takes an invitation", frozenset(("invitation", "signature"))),
    KnownFile(
        "invitation", "an", "`site-client accept` takes an invitation", frozenset(("coordinator_key", "roster", "plan"))
    ),
    KnownFile(
        "site's enrolment request",
        "a",
        "`aggregator enroll` takes the .pub file of a site",
        frozenset(("member", "signing_proof", "transport_proof")),
    ),
    KnownFile(
        "site's new keys",
        "a",
        "`aggregator rotate-key` takes the new keys of a site",
        frozenset(("request", "former", "proof")),
    ),
    KnownFile("list of replaced keys", "a", "it stays where it is", alone=frozenset(("rotations", "changes"))),
    KnownFile("roster", "a", "federation.yaml names it under `folders`", frozenset(("members",))),
    KnownFile(
        "federation file", "a", "`aggregator --config` takes a federation file", frozenset(("federation", "horizon"))
    ),
    KnownFile("site file", "a", "`site-client --config` takes a site file", frozenset(("name", "manifest"))),
    KnownFile(
        "study",
        "a",
        "a study is named as `study` in federation.yaml, and by `wardround`",
        frozenset(("study", "task")),
        frozenset(("preprocessing", "augmentation")),
    ),
    KnownFile(
        "policy",
        "a",
        "site.yaml names the policy as `policy`",
        alone=frozenset(("minimum_train_cases", "minimum_validation_cases", "maximum_rounds", "maximum_steps")),
    ),
)
"""Those of which a file might have the keys of two stand in order."""


def known_file(keys: Collection[str]) -> KnownFile | None:
    """What a file with these keys is; None for one of another kind."""
    return next((each for each in _KNOWN if each.has(keys)), None)
