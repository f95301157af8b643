"""Minimal repairs of fairchem 1.10's models that fail on valid input, or give wrong results."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from fairchem.core.common import gp_utils
from fairchem.core.models.base import GraphData
from torch import Tensor

from ocp_dc.fallbacks.finder import after_import


def install() -> None:
    """Apply the repairs; a second call changes nothing."""
    after_import("fairchem.core.models.dimenet_plus_plus", dimenet_angles)
    after_import("fairchem.core.models.painn.painn", painn_distances)
    graph_parallel_gemnet()


class TorchWithRowCross:
    """Replacement for torch in DimeNet++'s module, with the cross product along the last axis."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def cross(left: Tensor, right: Tensor) -> Tensor:
        """Return the cross products of the rows of ``left`` ``[T, 3]`` and ``right`` ``[T, 3]``."""
        return torch.linalg.cross(left, right, dim=-1)


def dimenet_angles(module: Any) -> None:
    """Make DimeNet++ take cross products along the last axis.

    It leaves the axis to torch, which takes the first one of size 3. With exactly three triplets that is the wrong
    axis, and angles and energy are wrong.
    """
    if not isinstance(module.torch, TorchWithRowCross):
        module.torch = TorchWithRowCross()


def painn_distances(module: Any) -> None:
    """Give PaiNN a copy of the distances of its graph.

    It writes into them in place although autograd needs their original values, so that without periodic boundaries
    every gradient of the energy fails.
    """
    painn = module.PaiNN
    if "generate_graph" in vars(painn):
        return

    def generate_graph(self: Any, *args: Any, **options: Any) -> GraphData:
        graph = super(painn, self).generate_graph(*args, **options)
        graph.edge_distance = graph.edge_distance.clone()
        return graph

    painn.generate_graph = generate_graph


def graph_parallel_gemnet() -> None:
    """Make gp_gemnet_t work with the present names of graph fields, and without a group of ranks.

    Without a group there is one rank, on which scattering, gathering and reducing are the identity. Calculators and
    runs without ``--gp-gpus`` need this.
    """
    if not hasattr(GraphData, "distance_vec"):
        GraphData.distance_vec = property(lambda graph: graph.edge_distance_vec)
    for operation in ("scatter_to", "gather_from", "reduce_from"):
        name = f"{operation}_model_parallel_region"
        stock = getattr(gp_utils, name)
        if not hasattr(stock, "__wrapped__"):
            setattr(gp_utils, name, _identity_without_group(stock))


def _identity_without_group(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def operation(input: Any, *args: Any, **options: Any) -> Any:
        return stock(input, *args, **options) if gp_utils.initialized() else input

    return operation
