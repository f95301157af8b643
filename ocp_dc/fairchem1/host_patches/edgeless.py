"""Repair fairchem 1.10's models for structures without edges, triplets or quadruplets, such as a single atom.

A sum over no neighbors is zero, so an atom beyond the cutoff of all others has an energy and no force. SchNet and
DimeNet++ compute this; the others fail at the maximum of an empty tensor, or reject a structure without edges. The
results of batches in which every structure has edges, triplets and quadruplets do not change.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ocp_dc.fallbacks.finder import after_import

MODELS = "fairchem.core.models."
# modules that take the largest index or the shortest edge of a tensor that may be empty
EXTREMES = (
    "gemnet.layers.efficient",
    "gemnet_gp.gemnet",
    "gemnet_oc.layers.efficient",
    "gemnet_oc.layers.interaction_block",
    "scn.scn",
    "escn.escn",
    "equiformer_v2.edge_rot_mat",
)
BLOCKS = ("gemnet.gemnet", "gemnet_gp.gemnet", "gemnet_oc.gemnet_oc", "painn.painn")


def install() -> None:
    """Apply the repairs, to each module when it is imported; a second call changes nothing."""
    for name in EXTREMES:
        after_import(MODELS + name, _define_extremes)
    for name, owner, attribute, repair in REPAIRS:
        after_import(MODELS + name, _repair(owner, attribute, repair))
    after_import(MODELS + "gemnet.gemnet", _set("GemNetT", select_edges))
    after_import(MODELS + "gemnet_gp.gemnet", _set("GraphParallelGemNetT", select_edges))
    after_import(MODELS + "painn.painn", _set("PaiNN", generate_graph_values))
    if _passes_edge_warning_filter not in logging.getLogger().filters:
        logging.getLogger().addFilter(_passes_edge_warning_filter)


class TorchWithEmptyExtremes:
    """Replacement for torch in a model's module, with the maximum and minimum of an empty tensor defined."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def max(values: Tensor, *others: Any, **options: Any) -> Any:
        """Return the maximum; -1 for an empty tensor of indices, so that the maximum plus 1 is their count."""
        return torch.max(values, *others, **options) if values.numel() or others else values.new_tensor(-1)

    @staticmethod
    def min(values: Tensor, *others: Any, **options: Any) -> Any:
        """Return the minimum; infinity for an empty tensor of lengths."""
        return torch.min(values, *others, **options) if values.numel() or others else values.new_tensor(math.inf)

    @staticmethod
    def arange(*ends: Any, **options: Any) -> Tensor:
        """Return the range; that of 0 has one element, since gp_gemnet_t takes the bounds of a rank's edges [0, E)."""
        return torch.arange(1) if ends == (0,) and not options else torch.arange(*ends, **options)


def _define_extremes(module: Any) -> None:
    if not isinstance(module.torch, TorchWithEmptyExtremes):
        module.torch = TorchWithEmptyExtremes()


@functools.cache
def _repair(owner: str | None, name: str, repair: Callable[..., Any]) -> Callable[[Any], None]:
    """Return a function that wraps a function of a module, or a method of its class ``owner``."""
    return lambda module: _wrap(module if owner is None else getattr(module, owner), name, repair)


@functools.cache
def _set(owner: str, method: Callable[..., Any]) -> Callable[[Any], None]:
    """Return a function that gives a class of a module another method."""
    return lambda module: setattr(getattr(module, owner), method.__name__, method)


def _wrap(owner: Any, name: str, repair: Callable[..., Any]) -> None:
    """Replace ``owner.name`` by ``repair``, which gets the original as its first argument; only once."""
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
    """Return the result of fairchem's ``repeat_blocks``, also for blocks of size 0, which add only their increment.

    Args:
        stock: fairchem's function.
        sizes: int64 ``[B]``, the size of each structure's block: half of its edges.
        repeats: how often each block is repeated.
        block_inc: int64 ``[B - 1]``, the increment after each block, or 0.
        start_idx: the increment before the first block.
        options: further arguments of fairchem's function.
    """
    full = sizes > 0
    if not full.any():
        return sizes.new_empty(0)
    if isinstance(block_inc, Tensor) and not full.all():
        before = torch.cat([block_inc.new_zeros(1), block_inc.cumsum(0)])[full]  # total increment before each block
        start_idx, block_inc = start_idx + before[0], before.diff()
        options = {key: value[full] if isinstance(value, Tensor) else value for key, value in options.items()}
        sizes = sizes[full]
    return stock(sizes, repeats, block_inc=block_inc, start_idx=start_idx, **options)


def _edge_numbers(stock: Callable[..., Tensor], edge_index: Tensor, cell_offsets: Tensor, num_atoms: int) -> Tensor:
    """Return an id ``[E]`` for each edge of ``edge_index`` ``[2, E]``, as fairchem's ``get_edge_id`` does."""
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
    """Return the edges within ``cutoff`` as GemNet-dT does, also if a structure has none."""
    if cutoff is None:
        return edge_index, cell_offsets, neighbors, edge_dist, edge_vector
    within = edge_dist <= cutoff  # [E]
    structures = torch.arange(len(neighbors), device=neighbors.device).repeat_interleave(neighbors)  # [E]
    neighbors = torch.bincount(structures[within], minlength=len(neighbors))
    return edge_index[:, within], cell_offsets[within], neighbors, edge_dist[within], edge_vector[within]


def generate_graph_values(self: Any, data: Any) -> tuple[Tensor, ...]:
    """Return PaiNN's edges ``[2, E]``, their count in each structure, lengths, directions and counter-edges.

    Unlike in fairchem, a structure may have no edges.
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
    """Run a layer; if there are no edges, run it on added rows of zeros and drop its result."""
    features = getattr(args[0], "embedding", args[0])  # [E, ...]
    if len(features):
        return stock(layer, *args)
    result = stock(layer, *map(_with_zero_rows, args))
    return tuple(map(_without_rows, result)) if isinstance(result, tuple) else _without_rows(result)


def _with_zero_rows(features: Any, rows: int = 2) -> Any:
    """Return features with added rows of zeros; return other objects unchanged.

    Two rows by default, because eSCN writes in place into a single row without copying it.
    """
    if isinstance(features, Tensor):
        return torch.cat([features, features.new_zeros(rows, *features.shape[1:])])
    if hasattr(features, "embedding"):
        features = features.clone()
        features.set_embedding(_with_zero_rows(features.embedding, rows))
    return features


def _without_rows(features: Any) -> Any:
    """Return features with no rows."""
    if isinstance(features, Tensor):
        return features[:0].clone()  # the caller may write into it
    features.set_embedding(_without_rows(features.embedding))
    return features


def _basis_embedding(
    stock: Callable[..., Any], layer: Any, rad_basis: Tensor, sph_basis: Tensor | None = None, **indices: Any
) -> Any:
    """Return GemNet-OC's bases; if there are no edges, compute them for one row of zeros and drop that row."""
    if len(rad_basis) or sph_basis is None:
        return stock(layer, rad_basis, sph_basis, **indices)
    result = stock(layer, _with_zero_rows(rad_basis, 1), sph_basis, **indices)
    if not isinstance(result, tuple):  # one row per triplet
        return result
    radial, spherical = result
    return radial if "idx_rad_inner" in indices else radial[:0], spherical[:0]  # one row per atom, or per edge


def _with_blocks(stock: Callable[..., None], backbone: Any, *args: Any, **options: Any) -> None:
    """Make eSEN run its blocks also on a batch without edges.

    fairchem skips them there, so a single atom would have another energy alone than in a batch with edges.
    """
    stock(backbone, *args, **options)
    backbone.edge_degree_embedding.register_forward_hook(functools.partial(_run_blocks, backbone))


def _run_blocks(backbone: Any, embedding: Any, args: tuple[Any, ...], x: Tensor) -> Tensor:
    _, edges, lengths, edge_index, wigner_inverse = args
    if edge_index.shape[1] == 0:
        for block in backbone.blocks:
            x = block(x, edges, lengths, edge_index, wigner_inverse.transpose(1, 2), wigner_inverse, node_offset=0)
    return x


def _passes_edge_warning_filter(record: logging.LogRecord) -> bool:
    """Return False for GemNet-OC's warning about structures without edges, which it would repeat at each step."""
    return not record.getMessage().startswith("An image has no neighbors")


# module, class, method or function, repair
REPAIRS: tuple[tuple[str, str | None, str, Callable[..., Any]], ...] = (
    # layers that reshape the features of all edges by the number of edges
    ("escn.escn", "SO2Block", "forward", _with_edges),
    ("equiformer_v2.so2_ops", "SO2_Convolution", "forward", _with_edges),
    ("equiformer_v2.so2_ops", "SO2_Linear", "forward", _with_edges),
    ("esen.nn.so2_layers", "SO2_Convolution", "forward", _with_edges),
    ("esen.nn.so2_layers", "SO2_Linear", "forward", _with_edges),
    ("gemnet_oc.layers.efficient", "BasisEmbedding", "forward", _basis_embedding),
    *((name, None, "repeat_blocks", _repeat_blocks) for name in BLOCKS),
    ("gemnet_oc.gemnet_oc", None, "get_edge_id", _edge_numbers),
    ("painn.painn", None, "get_edge_id", _edge_numbers),
    ("esen.esen", "eSEN_Backbone", "__init__", _with_blocks),
)
