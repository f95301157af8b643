"""The settings of a first training run on new data, and the interface of the hosts that write its config."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

WITH_PAIRS = 120  # neighbors of an atom, with which a model of pairs of atoms is fast enough
WITH_TRIPLETS = 50  # of a model of triplets, whose number is that of the neighbors, squared
TRIPLET_MODELS = ("dimenetplusplus", "gemnet_oc", "gemnet_t")


@dataclass(frozen=True)
class Settings:
    """Settings of a run that follow from the data and the machine.

    Attributes:
        periodic: a structure is periodic in some direction.
        cutoff: in Å.
        max_neighbors: the neighbors to keep for each atom; None is the default of the model.
        batch_size: structures in a training step.
        epochs: passes over the training set.
        in_memory: keep all structures in memory.
        reasons: why a setting has its value, by the name of the attribute.
    """

    periodic: bool
    cutoff: float
    max_neighbors: int | None
    batch_size: int
    epochs: int
    in_memory: bool
    reasons: dict[str, str]


@dataclass(frozen=True)
class FirstRun(Settings):
    """A run on new data: what its config is made of.

    Attributes:
        title: the model and the data, in a few words, for the comment at the top of the config.
        model: one of the models of the host.
        folder: the absolute path of the folder in which runs are written.
        data: the absolute path of the folder with train, val and test.
        has_test: there is a test set.
        gpu: train on a GPU.
        scale_file: the absolute path of fitted scale factors; None without.
    """

    title: str
    model: str
    folder: Path
    data: Path
    has_test: bool
    gpu: bool
    scale_file: Path | None


class Neighbors(NamedTuple):
    """How many neighbors of an atom a model can take.

    Args:
        most: it keeps no more, or becomes slow with more.
        adjustable: it has an argument ``max_neighbors`` for the number that it keeps.
    """

    most: int
    adjustable: bool


class FirstRuns(Protocol):
    """What ``ocp-dc init`` asks of a host."""

    suffix: str
    """The suffix of its configs."""

    @property
    def models(self) -> tuple[str, ...]:
        """The names of its models that have a derivative-constrained config for small data sets."""

    def neighbors(self, model: str, periodic: bool) -> Neighbors:
        """Return how many neighbors a model can take."""

    def config(self, run: FirstRun) -> str:
        """Return the text of a config, with comments."""

    def command(self, config: Path, run: FirstRun, name: str) -> list[str]:
        """Return the arguments of ``ocp-dc`` for the training run ``name`` of a config."""
