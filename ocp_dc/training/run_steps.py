"""The optimizer steps of a run, for settings that change in its course."""

from __future__ import annotations

import dataclasses

from ocp_dc.training.extension import Extension


@dataclasses.dataclass(frozen=True)
class RunSteps:
    """The optimizer steps of a run.

    Args:
        total: all steps, also those of a run that this one extends.
        extended: the steps of the run that this one extends; 0 for a run that extends none.
    """

    total: int
    extended: int = 0

    @classmethod
    def of(cls, max_epochs: float, steps_per_epoch: int, extension: Extension | None) -> RunSteps:
        """Return the steps of a run.

        Args:
            max_epochs: the length of the run.
            steps_per_epoch: the batches of an epoch.
            extension: the extension of the config; None without one.
        """
        extended = 0 if extension is None else round(extension.after * steps_per_epoch)
        return cls(int(max_epochs * steps_per_epoch), extended)

    def progress(self, step: int) -> float:
        """Return the progress at a step, from 0 at the first one to 1 at the last one; an extension stays at 1."""
        last = self.extended or self.total
        return min(1.0, (step - 1) / max(1, last - 1))

    def is_past(self, step: int, share: float) -> bool:
        """Return whether a step comes after a share of the run; in an extension, of the steps that it adds."""
        return step > self.extended + share * (self.total - self.extended)
