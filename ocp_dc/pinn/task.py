"""What a physics-informed task is: equations, domain, conditions, each loss term under its name."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from ocp_dc.pinn.solution import Solution


class Task(abc.ABC):
    """One task of the published runs: its physics, independent of network and training.

    Coordinates of points are x, [y,] t in this order; outputs of the network are the fields in the order of
    :attr:`fields`, divided by :attr:`scale` (label rescaling): the equations are written in the scaled fields, so that
    their residuals keep their meaning.

    Args:
        scale: the constant C that targets and conditions are divided by; 1 for none.
        as_published: the published form of the residuals, mistakes included (one sum for a system, signs).
    """

    name: ClassVar[str]
    fields: ClassVar[tuple[str, ...]]
    spatial_dimensions: ClassVar[int]
    derivative_order: ClassVar[int]  # the highest derivative by the inputs that the equations hold
    final_activation: ClassVar[str | None] = None  # of the network's output: a ReLU in diffusion-sorption

    def __init__(self, scale: float = 1.0, as_published: bool = False) -> None:
        self.scale = scale
        self.as_published = as_published

    @abc.abstractmethod
    def geometry(self) -> Any:
        """Return the domain as DeepXDE's ``GeometryXTime``."""

    @abc.abstractmethod
    def residuals(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the residual of each equation by the name of its loss term (``L_f`` for one equation).

        Args:
            x: (N, d) coordinates that require gradients.
            y: (N, fields) scaled fields, computed from ``x``.

        Returns:
            (N, 1) tensors; those of ``as_published`` are the published sums.
        """

    @abc.abstractmethod
    def conditions(self, solution: Solution, seed: int) -> Mapping[str, Any]:
        """Return DeepXDE's conditions by the name of their loss term (``L_IC``, ``L_BC``, ``L_data``, ...).

        Args:
            solution: the data, in physical units; initial values and training points are taken from it.
            seed: of the choice of training points, where the task takes a share of the data.
        """
