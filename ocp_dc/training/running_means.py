"""Means of the loss and its terms over training steps; values are read from the device only when needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from ocp_dc.training.listeners import Listener, Losses

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState


class RunningMeans(Listener):
    """Means since the last log entry and since the last validation; checkpoints store the sums of the latter."""

    def __init__(self) -> None:
        self.printed: dict[str, float] = {}  # what the last call of since_print returned
        self._recent: list[dict[str, torch.Tensor]] = []
        self._sums: dict[str, tuple[torch.Tensor | float, int]] = {}  # and the number of steps of each

    def step(self, state: TrainingState, losses: Losses) -> None:
        """Add the losses of the step."""
        self.add(losses)

    def add(self, values: Losses) -> None:
        """Add the values of a step, without copying them from their device."""
        self._recent.append({name: torch.as_tensor(value).detach() for name, value in values.items()})
        for name, value in self._recent[-1].items():
            total, steps = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + value.double(), steps + 1)

    def since_print(self) -> dict[str, float]:
        """Return the means since the last call."""
        recent, self._recent = self._recent, []
        self.printed = {name: float(torch.stack([values[name] for values in recent]).mean()) for name in recent[0]}
        return self.printed

    def since_validation(self) -> dict[str, float]:
        """Return the means since the last call, including steps before a resume."""
        sums, self._sums = self._sums, {}
        return {name: float(total) / steps for name, (total, steps) in sums.items()}

    def state_dict(self) -> dict[str, list[float]]:
        """Return the sum and the number of steps of each value, as plain numbers."""
        return {name: [float(total), steps] for name, (total, steps) in self._sums.items()}

    def load_state_dict(self, state: Mapping[str, Sequence[float]]) -> None:
        """Load what :meth:`state_dict` returned; values missing there are averaged over the following steps only."""
        self._sums = {name: (float(total), int(steps)) for name, (total, steps) in state.items() if steps}
