"""Settings of a fine-tuning run, the same for every host."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ocp_dc.core.numbers import Number, whole_number

LR, HEAD_LR = 1.0e-4, 1.0e-3  # a tenth of the rate from scratch keeps what the weights have learned
EMA_DECAY = 0.9


@dataclasses.dataclass(frozen=True)
class FineTuning:
    """Settings of a fine-tuning run.

    Args:
        checkpoint: the checkpoint that the user gave, for the comment of the config.
        data: a folder with ``train``, ``val`` and perhaps ``test``.
        epochs: the number of epochs.
        lr: the highest learning rate; None for 1e-4, and 1e-3 where only a part is trained.
        batch_size: structures per step.
        trainable: the parameters that are trained: ``head``, or regular expressions; None for all.
        seed: the seed of the order of the data.
        cpu: use the CPU even if there is a GPU.

    Raises:
        UserError: a number is not valid.
    """

    checkpoint: str
    data: Path
    epochs: int = 10
    lr: float | None = None
    batch_size: int = 10
    trainable: str | Sequence[str] | None = None
    seed: int = 0
    cpu: bool = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        whole_number("epochs", self.epochs)
        whole_number("batch_size", self.batch_size)
        whole_number("seed", self.seed, least=0)
        Number(0, above=True).check(self.lr, "lr")

    @property
    def rate(self) -> float:
        """The highest learning rate."""
        if self.lr is not None:
            return float(self.lr)
        return LR if self.trainable is None else HEAD_LR

    def comment(self, start: Path) -> str:
        """Return the comment at the top of the config."""
        part = "all weights" if self.trainable is None else f"only the parameters of trainable: {self.trainable}"
        return (
            f"# Fine-tuning of {self.checkpoint} on {self.data}; {part}.\n"
            f"# {start.name} holds its averaged weights, its scale C, and reference energies of the new labels: to\n"
            "# its own, the difference of the new energies and its predictions is added, fitted per element.\n"
            "# Moments of the optimizer and averages of the weights start anew.\n"
        )
