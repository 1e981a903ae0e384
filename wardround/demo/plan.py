"""How much the demo does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wardround.demo.hospitals import Cases
    from wardround.federation.protocol import Horizon
    from wardround.lab.processes import Machine


@dataclass(frozen=True)
class DemoPlan:
    """How much the demo does: horizon, cases of each hospital by split, size of a voxel in mm, threads a process."""

    rounds: int = 8
    local_steps: int = 40
    train: int = 2
    validation: int = 1
    test: int = 2
    spacing: int = 3
    threads: int = 1

    @property
    def horizon(self) -> Horizon:
        """The federation's horizon; the baselines train as many steps."""
        from wardround.federation.protocol import Horizon

        return Horizon(rounds=self.rounds, local_steps=self.local_steps)

    @property
    def machine(self) -> Machine:
        """What every process may use."""
        from wardround.lab.processes import Machine

        return Machine(threads=self.threads)

    @property
    def cases(self) -> Cases:
        """Each hospital's cases."""
        from wardround.demo.hospitals import Cases

        return Cases(self.train, self.validation, self.test)
