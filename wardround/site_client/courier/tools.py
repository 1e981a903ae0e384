"""What the courier works with: settings, agreement, keys, log, and its folders."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from wardround.federation.flower.shelf import Shelf
from wardround.federation.identities import SiteKeys
from wardround.site_client.agreement.agreement import Agreement
from wardround.site_client.agreement.settings import SiteSettings
from wardround.site_client.between.folders import Outbox, Results, Tasks
from wardround.site_client.events import EventLog


@dataclass(frozen=True)
class CourierTools:
    """What the courier works with."""

    settings: SiteSettings
    agreement: Agreement
    keys: SiteKeys
    log: EventLog
    stop: threading.Event

    @property
    def tasks(self) -> Tasks:
        """Accepted tasks, for the worker."""
        return Tasks.under(self.settings.work)

    @property
    def results(self) -> Results:
        """What the worker has finished."""
        return Results.under(self.settings.work)

    @property
    def outbox(self) -> Outbox:
        """Signed replies."""
        return Outbox.under(self.settings.work)

    @property
    def arriving(self) -> Shelf:
        """Pieces of a model that is on its way."""
        return Shelf(self.settings.work / "arriving")
