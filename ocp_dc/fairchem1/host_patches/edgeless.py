"""Structures without edges, triplets or quadruplets, such as a lone atom: what lets fairchem 1.10's models take them.

A sum over no neighbors is zero, so that an atom out of reach of all others has an energy and no force. SchNet and
DimeNet++ compute that; the others stop at the maximum of no numbers, or refuse a structure without edges. Values of
batches in which every structure has edges, triplets and quadruplets are untouched.
"""

from __future__ import annotations

import functools
import importlib
import logging
import math
from collections.abc import Callable
from typing import Any

import torch
from fairchem.core.models.esen.esen import eSEN_Backbone
from fairchem.core.models.gemnet.gemnet import GemNetT
from fairchem.core.models.gemnet_gp.gemnet import GraphParallelGemNetT
from fairchem.core.models.gemnet_oc.layers.efficient import BasisEmbedding
from fairchem.core.models.painn.painn import PaiNN
from torch import Tensor

MODELS = "fairchem.core.models."
# modules that ask for the largest index, or the shortest edge, where there may be none
EXTREMES = (
    "gemnet.layers.efficient",
    "gemnet_gp.gemnet",
    "gemnet_oc.layers.efficient",
    "gemnet_oc.layers.interaction_block",
    "scn.scn",
    "escn.escn",
    "equiformer_v2.edge_rot_mat",
)
# modules of layers that reshape the features of all edges by their number
LAYERS = (
    ("escn.escn", "SO2Block"),
    ("equiformer_v2.so2_ops", "SO2_Convolution"),
    ("equiformer_v2.so2_ops", "SO2_Linear"),
    ("esen.nn.so2_layers", "SO2_Convolution"),
    ("esen.nn.so2_layers", "SO2_Linear"),
)
BLOCKS = ("gemnet.gemnet", "gemnet_gp.gemnet", "gemnet_oc.gemnet_oc", "painn.painn")
EDGE_NUMBERS = ("gemnet_oc.gemnet_oc", "painn.painn")


def install() -> None:
    """Put the repairs in force; a second call changes nothing."""
    for name in EXTREMES:
        module: Any = importlib.import_module(MODELS + name)
        if not isinstance(module.torch, TorchOfNothing):
            module.torch = TorchOfNothing()
    for name, layer in LAYERS:
        _wrap(getattr(importlib.import_module(MODELS + name), layer), "forward", _with_edges)
    _wrap(BasisEmbedding, "forward", _bases)
    for name in BLOCKS:
        _wrap(importlib.import_module(MODELS + name), "repeat_blocks", _repeat_blocks)
    for name in EDGE_NUMBERS:
        _wrap(importlib.import_module(MODELS + name), "get_edge_id", _edge_numbers)
    GemNetT.select_edges = GraphParallelGemNetT.select_edges = select_edges
    PaiNN.generate_graph_values = generate_graph_values
    _wrap(eSEN_Backbone, "__init__", _with_blocks)
    if _is_worth_saying not in logging.getLogger().filters:
        logging.getLogger().addFilter(_is_worth_saying)


class TorchOfNothing:
    """Stands where a model's module names torch: knows the extremes of nothing, and is torch otherwise."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def max(values: Tensor, *others: Any, **options: Any) -> Any:
        """Return torch's maximum; of no indices -1, so that one more is their count."""
        return torch.max(values, *others, **options) if values.numel() or others else values.new_tensor(-1)

    @staticmethod
    def min(values: Tensor, *others: Any, **options: Any) -> Any:
        """Return torch's minimum; of no lengths infinity."""
        return torch.min(values, *others, **options) if values.numel() or others else values.new_tensor(math.inf)

    @staticmethod
    def arange(*ends: Any, **options: Any) -> Tensor:
        """Return torch's range; gp_gemnet_t asks a rank's range of edges, [0, E), for its bounds, also if E is 0."""
        return torch.arange(1) if ends == (0,) and not options else torch.arange(*ends, **options)


def _wrap(owner: Any, name: str, repair: Callable[..., Any]) -> None:
    """Put ``repair``, which gets what stood there as its first argument, in the place of ``owner.name``, once."""
    stock = getattr(owner, name)
    if hasattr(stock, "__wrapped__"):
        return

    @functools.wraps(stock)
    def repaired(*args: Any, **options: Any) -> Any:
        return repair(stock, *args, **options)

    setattr(owner, name, repaired)


def _repeat_blocks(
    stock: Callable[..., Tensor], sizes: Tensor, repeats: int, block_inc: Any = 0, start_idx: Any = 0, **options: Any
) -> Tensor:
    """Return fairchem's ``repeat_blocks``; a block of size 0 adds nothing but its increment.

    Args:
        stock: fairchem's function.
        sizes: int64 [B], a block for each structure: half of its edges.
        repeats: how often each block comes.
        block_inc: int64 [B - 1], what is added after each block, or 0.
        start_idx: what is added before the first block.
        options: as for fairchem's.
    """
    full = sizes > 0
    if not full.any():
        return sizes.new_empty(0)
    if isinstance(block_inc, Tensor) and not full.all():
        before = torch.cat([block_inc.new_zeros(1), block_inc.cumsum(0)])[full]  # what is added up to each block
        start_idx, block_inc = start_idx + before[0], before.diff()
        options = {key: value[full] if isinstance(value, Tensor) else value for key, value in options.items()}
        sizes = sizes[full]
    return stock(sizes, repeats, block_inc=block_inc, start_idx=start_idx, **options)


def _edge_numbers(stock: Callable[..., Tensor], edge_index: Tensor, cell_offsets: Tensor, num_atoms: int) -> Tensor:
    """Return a number [E] for each edge ``edge_index`` [2, E], as fairchem's ``get_edge_id``."""
    return stock(edge_index, cell_offsets, num_atoms) if len(cell_offsets) else edge_index[0]


def select_edges(
    self: Any,
    data: Any,
    edge_index: Tensor,
    cell_offsets: Tensor,
    neighbors: Tensor,
    edge_dist: Tensor,
    edge_vector: Tensor,
    cutoff: float | None = None,
) -> tuple[Tensor, ...]:
    """Return the edges within ``cutoff``, as GemNet-dT does; a structure may have none."""
    if cutoff is None:
        return edge_index, cell_offsets, neighbors, edge_dist, edge_vector
    within = edge_dist <= cutoff  # [E]
    structures = torch.arange(len(neighbors), device=neighbors.device).repeat_interleave(neighbors)  # [E]
    neighbors = torch.bincount(structures[within], minlength=len(neighbors))
    return edge_index[:, within], cell_offsets[within], neighbors, edge_dist[within], edge_vector[within]


def generate_graph_values(self: Any, data: Any) -> tuple[Tensor, ...]:
    """Return PaiNN's edges [2, E], their count in each structure, lengths, directions and counter-edges.

    As fairchem's, but a structure may have no edges.
    """
    graph = self.generate_graph(data)
    coincide = torch.isclose(graph.edge_distance, torch.tensor(0.0), atol=1e-6)
    graph.edge_distance[coincide] = 1.0e-6
    directions = graph.edge_distance_vec / graph.edge_distance[:, None]
    edge_index, _, neighbors, [lengths], [directions], counter_edges = self.symmetrize_edges(
        graph.edge_index, graph.cell_offsets, graph.neighbors, data.batch, [graph.edge_distance], [directions]
    )
    return edge_index, neighbors, lengths, directions, counter_edges


def _with_edges(stock: Callable[..., Any], layer: Any, *args: Any) -> Any:
    """Run a layer that got features of no edges on those of some, all zero, and take its result away."""
    features = getattr(args[0], "embedding", args[0])  # [E, ...]
    if len(features):
        return stock(layer, *args)
    result = stock(layer, *map(_grown, args))
    return tuple(map(_none, result)) if isinstance(result, tuple) else _none(result)


def _grown(features: Any, rows: int = 2) -> Any:
    """Return features with more rows, of zeros; what is no tensor and holds none stays.

    Of a single row eSCN makes no copy before it writes into it.
    """
    if isinstance(features, Tensor):
        return torch.cat([features, features.new_zeros(rows, *features.shape[1:])])
    if hasattr(features, "embedding"):
        features = features.clone()
        features.set_embedding(_grown(features.embedding, rows))
    return features


def _none(features: Any) -> Any:
    """Return features without any row."""
    if isinstance(features, Tensor):
        return features[:0].clone()  # what is made of it may be written into
    features.set_embedding(_none(features.embedding))
    return features


def _bases(
    stock: Callable[..., Any], layer: Any, rad_basis: Tensor, sph_basis: Tensor | None = None, **indices: Any
) -> Any:
    """Return GemNet-OC's bases; of no edges those of one, all zero, without it."""
    if len(rad_basis) or sph_basis is None:
        return stock(layer, rad_basis, sph_basis, **indices)
    result = stock(layer, _grown(rad_basis, 1), sph_basis, **indices)
    if not isinstance(result, tuple):  # a row for each triplet
        return result
    radial, spherical = result
    return radial if "idx_rad_inner" in indices else radial[:0], spherical[:0]  # a row for each atom, or each edge


def _with_blocks(stock: Callable[..., None], backbone: Any, *args: Any, **options: Any) -> None:
    """Let eSEN run its blocks on a batch without any edge, as on one in which another structure has some.

    fairchem leaves them out there, which gives an atom another energy alone than in company.
    """
    stock(backbone, *args, **options)
    backbone.edge_degree_embedding.register_forward_hook(functools.partial(_run_blocks, backbone))


def _run_blocks(backbone: Any, embedding: Any, args: tuple[Any, ...], x: Tensor) -> Tensor:
    _, edges, lengths, edge_index, wigner_inverse = args
    if edge_index.shape[1] == 0:
        for block in backbone.blocks:
            x = block(x, edges, lengths, edge_index, wigner_inverse.transpose(1, 2), wigner_inverse, node_offset=0)
    return x


def _is_worth_saying(record: logging.LogRecord) -> bool:
    """Keep out GemNet-OC's warning of each structure without edges, at each step, with all its tensors' shapes."""
    return not record.getMessage().startswith("An image has no neighbors")
