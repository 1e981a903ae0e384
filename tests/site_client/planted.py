"""Words that must stay at a site, planted in its files and its table, and a courier whose answers are all read."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from tests.site_client.support import Site, courier_of
from tests.support.images import blobs, oblique_geometry
from wardround.engine.imaging import Image, write_image, write_label
from wardround.federation.envelope import Envelope
from wardround.federation.protocol import (
    Ready,
    Reply,
    Task,
    Working,
)
from wardround.site_client.courier.handler import Courier
from wardround.site_client.events import EventLog, Role, log_path
from wardround.site_client.processes import StopRequest
from wardround.site_client.worker.engine import WarmEngine
from wardround.site_client.worker.process import run_worker

CASES = 9
WORDS = st.lists(st.from_regex(r"\A[a-z]{6}[0-9]{4}\Z"), min_size=5, max_size=5, unique=True)


@dataclass(frozen=True)
class Canaries:
    """What must stay: parts of the subjects, the patients, a column beside them, and the folders and names of files."""

    subject: str
    patient: str
    ward: str
    folder: str
    file: str

    @property
    def all(self) -> tuple[str, ...]:
        """Every word."""
        return (self.subject, self.patient, self.ward, self.folder, self.file)


@dataclass
class Wire:
    """A courier whose every answer is kept as it would go out."""

    site: Site
    courier: Courier
    sent: list[Envelope] = field(default_factory=list)

    def ask(self, task: Task, payload: bytes = b"") -> Reply:
        """Ask until something else than patience comes."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            self.sent.append(self.courier.handle(self.site.sealed(task, payload)))
            reply, _ = self.site.open(self.sent[-1])
            if not isinstance(reply, Working):
                return reply
        raise AssertionError("the site does not come to an end")

    def told(self, canaries: Canaries) -> list[str]:
        """The canaries that are in anything that was sealed, in whatever case, or escaped as JSON escapes."""
        whole = b"\n".join(part for each in self.sent for part in (each.body, each.signature, bytes(each.payload)))
        return [word for word in canaries.all if word.encode() in whole.lower()]


def write_patients(site: Site, canaries: Canaries) -> list[Path]:
    """Images, masks and a table with canaries in every cell; the images."""
    folder, random = site.folder / canaries.folder, np.random.default_rng(0)
    grid, images = oblique_geometry((18, 20, 16)), []
    rows: list[tuple[str, ...]] = [("SubjectID", "PatientID", "Ward", "Channel_0", "Label")]
    for number in range(CASES):
        image, mask = blobs((18, 20, 16), 2, random)
        names = [f"{canaries.file}_{number}_{kind}.nii.gz" for kind in ("image", "mask")]
        write_image(folder / names[0], Image(image[None], grid))
        write_label(folder / names[1], mask, grid)
        images.append(folder / names[0])
        who = (f"{canaries.subject}-{number}", f"{canaries.patient}-{number}", f"{canaries.ward}")
        rows.append((*who, *(f"{canaries.folder}/{name}" for name in names)))
    with (site.folder / "data.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return images


@contextmanager
def working(site: Site) -> Iterator[Wire]:
    """The real engine in a worker's thread, and a courier that talks to it over the real socket."""
    stop, settings_ = StopRequest(), site.settings
    arguments = (settings_, site.agreement, EventLog(settings_.work, Role.WORKER), stop, WarmEngine.open)
    thread = threading.Thread(target=run_worker, args=arguments)
    thread.start()
    try:
        yield Wire(site, courier_of(site, stop))
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def cohort_of(site: Site, wire: Wire) -> str:
    """The site's cohort, once it is ready."""
    held = wire.ask(site.hello())
    assert isinstance(held, Ready), log_path(site.settings.work, Role.WORKER).read_text()
    return held.cohort
