"""Stop a training run when the primary metric no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ocp_dc.core.numbers import Number, whole_number
from ocp_dc.training.listeners import Listener, Metrics
from ocp_dc.training.output import say
from ocp_dc.training.schedule import higher_is_better

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState


class EarlyStopping(Listener):
    """Count the validations since the last improvement by more than a difference.

    Args:
        patience: the number of validations without one that ends the run; None to never stop.
        min_delta: the difference, in the unit of the primary metric.

    Attributes:
        stops: whether the run should stop.

    Raises:
        UserError: a value is not valid.
    """

    def __init__(self, patience: int | None = None, min_delta: float = 0.0) -> None:
        if patience is not None:
            whole_number("patience", patience)
        Number(least=0, nullable=False).check(min_delta, "min_delta")
        self._patience, self._min_delta = patience, min_delta
        self._reference: float | None = None
        self._waited = 0

    @property
    def stops(self) -> bool:
        """Whether the run should stop."""
        return self._patience is not None and self._waited >= self._patience

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Compare the primary metric with its value at the last improvement."""
        if metrics is None:
            return
        value = metrics[state.primary_metric] * (-1 if higher_is_better(state.primary_metric) else 1)
        if math.isfinite(value) and (self._reference is None or value < self._reference - self._min_delta):
            self._reference, self._waited = value, 0
            return
        self._waited += 1
        if self.stops:
            say(f"early stopping: {self._waited} validations without an improvement of {state.primary_metric}")

    def wait_anew(self, forget: bool = False) -> None:
        """Count from zero again.

        Args:
            forget: the last improvement as well, for a metric that means something else now.
        """
        self._waited = 0
        if forget:
            self._reference = None

    def state_dict(self) -> dict[str, Any]:
        """Return the reference and the count, as plain numbers."""
        return {"reference": self._reference, "waited": self._waited}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Load what :meth:`state_dict` returned."""
        self._reference, self._waited = saved["reference"], saved["waited"]
