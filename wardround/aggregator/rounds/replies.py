"""The replies of one exchange as they lie in its inbox: checked again each time that they are read."""

from __future__ import annotations

from dataclasses import dataclass

from wardround.aggregator.roster.keyring import KeyRing
from wardround.aggregator.rounds.inspection import Accepted, AnswerError, Inspector
from wardround.aggregator.rounds.records import Asked, DamagedRecordError
from wardround.aggregator.rounds.state import ExchangeFolder
from wardround.federation.identities import Roster
from wardround.federation.protocol import Done


class SpoiledReplyError(Exception):
    """A reply that was to be used is not what was put into the inbox."""

    def __init__(self, site: str, reason: str) -> None:
        self.site = site
        self.reason = reason
        super().__init__(f"{site}: {reason}")


@dataclass(frozen=True)
class StoredReplies:
    """Reads them.

    Attributes:
        folder: the exchange's folder.
        inspector: checks replies.
        roster: who may have signed them.
        ring: with which keys they have signed.
    """

    folder: ExchangeFolder
    inspector: Inspector
    roster: Roster
    ring: KeyRing

    def asked(self, site: str) -> Asked:
        """What a site was asked. Raises `SpoiledReplyError` where no record tells it."""
        try:
            asked = self.folder.inbox(site).asked()
        except DamagedRecordError:
            asked = None
        if asked is None:
            raise SpoiledReplyError(site, "no record of what it was asked")
        return asked

    def read(self, site: str) -> Accepted:
        """A site's finished reply. Raises `SpoiledReplyError` when it is damaged."""
        inbox, member = self.folder.inbox(site), self.roster.member(site)
        if member is None:
            raise SpoiledReplyError(site, "it is not on the roster")
        try:
            envelope = inbox.get()
            reply = self.inspector.open_kept(envelope, self.ring.signers(member))
            if not isinstance(reply, Done):
                raise SpoiledReplyError(site, "not a finished reply")
            return self.inspector.accept(reply, envelope.payload, self.asked(site))
        except (AnswerError, FileNotFoundError) as error:
            raise SpoiledReplyError(site, str(error)) from None
