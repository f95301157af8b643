"""Models of fairchem 1.10 that stop with an error on good input: the least that lets them run, values untouched."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import torch
from fairchem.core.common import gp_utils
from fairchem.core.models.base import GraphData
from fairchem.core.models.painn.painn import PaiNN
from torch import Tensor


def install() -> None:
    """Put the repairs in force; a second call changes nothing."""
    dimenet_angles()
    painn_distances()
    graph_parallel_gemnet()


class TorchOfRows:
    """Stands where DimeNet++'s module names torch: crosses vectors along the last axis, and is torch otherwise."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def cross(left: Tensor, right: Tensor) -> Tensor:
        """Return the cross product of the rows of ``left`` [T, 3] and ``right`` [T, 3]."""
        return torch.linalg.cross(left, right, dim=-1)


def dimenet_angles() -> None:
    """DimeNet++ leaves it to torch along which axis it crosses vectors: the first of size 3, wrong for three triplets.

    The angles, and with them the energy, are of other vectors then.
    """
    module: Any = importlib.import_module("fairchem.core.models.dimenet_plus_plus")
    if not isinstance(module.torch, TorchOfRows):
        module.torch = TorchOfRows()


def painn_distances() -> None:
    """PaiNN writes into the distances of its graph, which autograd needs as they were.

    Without periodic boundaries every gradient of the energy fails there. It gets a copy to write into.
    """
    if "generate_graph" in vars(PaiNN):
        return

    def generate_graph(self: Any, *args: Any, **options: Any) -> GraphData:
        graph = super(PaiNN, self).generate_graph(*args, **options)
        graph.edge_distance = graph.edge_distance.clone()
        return graph

    PaiNN.generate_graph = generate_graph


def graph_parallel_gemnet() -> None:
    """gp_gemnet_t reads a field of its graph that has another name by now, and wants a group of ranks even for one.

    Without a group there is one rank, on which scattering, gathering and reducing change nothing; so calculators and
    runs without ``--gp-gpus`` work.
    """
    if not hasattr(GraphData, "distance_vec"):
        GraphData.distance_vec = property(lambda graph: graph.edge_distance_vec)
    for operation in ("scatter_to", "gather_from", "reduce_from"):
        name = f"{operation}_model_parallel_region"
        stock = getattr(gp_utils, name)
        if not hasattr(stock, "__wrapped__"):
            setattr(gp_utils, name, _alone_unchanged(stock))


def _alone_unchanged(stock: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(stock)
    def operation(input: Any, *args: Any, **options: Any) -> Any:
        return stock(input, *args, **options) if gp_utils.initialized() else input

    return operation
