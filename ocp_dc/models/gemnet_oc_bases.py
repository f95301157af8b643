"""The bases of all of GemNet-OC's interactions, from the positions; the blocks share them."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import torch
from torch import Tensor

from ocp_dc.models.gemnet_basis import circular, expand
from ocp_dc.models.gemnet_interaction import scale_factors
from ocp_dc.models.gemnet_oc_basis import (
    associated_legendre,
    dihedral_angle,
    dihedral_cosine,
    distance_functions,
    harmonic_lengths,
    outer_functions,
    outer_lengths,
    projected,
    waves,
)
from ocp_dc.models.gemnet_oc_graph import GemNetOCGraph, MixedTriplets, Quadruplets
from ocp_dc.models.graph import EdgeGraph

# for G groups of K outputs and L inputs, projected functions of the lengths of the outputs, [G * K, emb_size, S], and
# functions of the angles between outputs and inputs, [G, K * S, L]; a product of both for each of several blocks is
# faster than their product once, [G, K * emb_size, L], if groups are large
TripletBasis = tuple[Tensor, Tensor]


@dataclasses.dataclass(frozen=True)
class Bases:
    """Functions of the positions; None for those of interactions that a model does not have.

    Args:
        rbf: [P, R], functions of the lengths of pairs.
        triplets: for edges to edges.
        quadruplets: for edges to edges by inner edges.
        inputs: [Q * K, emb_size_cbf], functions of inner edges b -> a and angles to edges d -> b.
        to_edges: for atoms to edges.
        others: [E, R], functions of the lengths of the edges between atoms and edges.
        to_atoms: for edges to atoms, [N, emb_size_cbf, K].
        atoms: for atoms to atoms, [N, emb_size_rbf, L].
    """

    rbf: Tensor
    triplets: TripletBasis
    quadruplets: TripletBasis | None = None
    inputs: Tensor | None = None
    to_edges: TripletBasis | None = None
    others: Tensor | None = None
    to_atoms: Tensor | None = None
    atoms: Tensor | None = None


@dataclasses.dataclass(frozen=True)
class MainEdges:
    """What the bases need of the edges with features.

    Args:
        units: [2P, 3], unit vectors from the target to the source.
        incoming: [N, K, 3], those of the edges that end at each atom.
        pairs: int64 [N * K], the pairs of the edges that end at each atom.
        rbf: [P, R], the functions of lengths that are multiplied with functions of angles.
    """

    units: Tensor
    incoming: Tensor
    pairs: Tensor
    rbf: Tensor


def find_bases(model: Any, positions: Tensor, graph: GemNetOCGraph, first_order: bool) -> Bases:
    """Return the bases of a model's interactions.

    Args:
        model: a :class:`~ocp_dc.models.gemnet_oc.GemNetOCPotential`.
        positions: [N, 3], in Å.
        graph: the graphs.
        first_order: whether higher derivatives by the positions are not needed.
    """
    lengths, directions = _geometry(graph.main.pairs, positions)
    units = torch.cat([directions, -directions])  # [2P, 3]
    atoms, width = graph.main.incoming.shape
    places = graph.main.incoming.flatten()
    incoming = units.index_select(0, places).view(atoms, width, 3)
    rbf = distance_functions(model.cbf_basis_tint.radial_basis, lengths, first_order)
    main = MainEdges(units, incoming, places % directions.shape[0], rbf)
    cosines = torch.bmm(incoming, incoming.transpose(1, 2))  # [N, K, K]
    angular = _angular(model.cbf_basis_tint, model.mlp_cbf_tint, cosines, graph.is_triplet, first_order)
    triplets = _lengths(model.cbf_basis_tint, model.mlp_cbf_tint, rbf, main.pairs), angular.flatten(1, 2)
    bases = Bases(distance_functions(model.radial_basis, lengths, first_order), triplets)
    if graph.mixed is not None:
        bases = _with_mixed(bases, model, positions, graph.mixed, main, first_order)
    if graph.quadruplets is not None:
        bases = _with_quadruplets(bases, model, positions, graph.quadruplets, main, first_order)
    if graph.atoms is not None:
        others, _ = _geometry(graph.atoms.edges, positions)
        of_atoms = distance_functions(model.radial_basis_aint, others, first_order) @ model.mlp_rbf_aint.weight.t()
        padded = of_atoms.index_select(0, graph.atoms.incoming.flatten()).unflatten(0, graph.atoms.incoming.shape)
        bases = dataclasses.replace(bases, atoms=(padded * graph.atoms.is_edge[:, :, None]).transpose(1, 2))
    return bases


def _with_mixed(
    bases: Bases, model: Any, positions: Tensor, mixed: MixedTriplets, main: MainEdges, first_order: bool
) -> Bases:
    """Add the bases of atoms to edges and of edges to atoms."""
    lengths, units = _geometry(mixed.others.edges, positions)
    places = mixed.others.incoming.flatten()
    others = units.index_select(0, places).view(*mixed.others.incoming.shape, 3)  # [N, L, 3]
    if model.atom_edge_interaction:
        basis, embedding = model.cbf_basis_aeint, model.mlp_cbf_aeint
        cosines = torch.bmm(main.incoming, others.transpose(1, 2))  # [N, K, L]
        angular = _angular(basis, embedding, cosines, mixed.is_triplet, first_order)
        bases = dataclasses.replace(
            bases,
            to_edges=(_lengths(basis, embedding, main.rbf, main.pairs), angular.flatten(1, 2)),
            others=distance_functions(model.radial_basis_aeaint, lengths, first_order),
        )
    if model.edge_atom_interaction:
        basis, embedding = model.cbf_basis_eaint, model.mlp_cbf_eaint
        cosines = torch.bmm(others, main.incoming.transpose(1, 2))  # [N, L, K]
        angular = _angular(basis, embedding, cosines, mixed.is_triplet.transpose(1, 2), first_order)
        rbf = distance_functions(basis.radial_basis, lengths, first_order)
        of_others = _lengths(basis, embedding, rbf, places)  # [N * L, emb_size_cbf, S]
        of_others = of_others.view(*others.shape[:2], *of_others.shape[1:]).transpose(1, 2).flatten(2)
        # the sum over the edges of an atom: [N, emb_size_cbf, L * S] by [N, L * S, K]
        bases = dataclasses.replace(bases, to_atoms=torch.bmm(of_others, angular.flatten(1, 2)))
    return bases


def _with_quadruplets(
    bases: Bases, model: Any, positions: Tensor, quadruplets: Quadruplets, main: MainEdges, first_order: bool
) -> Bases:
    """Add the bases of quadruplets c -> a <- b <- d, by inner edges b -> a."""
    lengths, inner = _geometry(quadruplets.inner, positions)
    inner = inner[:, None].expand(-1, quadruplets.outer.shape[1], -1)  # [Q, K, 3]
    places = (quadruplets.outer, quadruplets.inputs)
    c, d = (main.units.index_select(0, edges.flatten()).view_as(inner) for edges in places)
    cosines = (d * inner).sum(-1)  # [Q, K]
    basis, embedding = model.cbf_basis_qint, model.mlp_cbf_qint
    angular = expand(functools.partial(circular, basis, embedding.num_spherical), cosines, -2, first_order)
    rbf = distance_functions(basis.radial_basis, lengths, first_order)  # [Q, R]
    inputs = torch.bmm(_scaled(projected(embedding, rbf), basis, "scale_cbf"), angular)  # [Q, emb_size_cbf, K]
    inputs = inputs.transpose(1, 2).flatten(0, 1)
    around_c, around_d = torch.linalg.cross(c, inner), torch.linalg.cross(d, inner)
    products = torch.bmm(around_c, torch.cat([around_d, d], dim=1).transpose(1, 2))  # [Q, K, 2 K]
    cosine, sine = products.chunk(2, dim=2)
    outer, cosines = quadruplets.outer.flatten() % main.rbf.shape[0], (c * inner).sum(-1).flatten()
    basis, embedding, count = model.sbf_basis_qint, model.mlp_sbf_qint, embedding.num_spherical
    if model.sbf_name == "spherical_harmonics":
        # their derivative is infinite where c = b, which is no quadruplet
        cosines = torch.where(quadruplets.is_quadruplet.any(dim=2).flatten(), cosines, 0)
        of_angles = expand(functools.partial(associated_legendre, count), cosines, -1, first_order)  # [Q * K, S * S]
        factors = harmonic_lengths(embedding, main.rbf, outer, of_angles)
        angles = dihedral_angle(cosine, sine, first_order)  # [Q, K, K]
        dihedral = expand(functools.partial(waves, count), angles, -2, first_order)
    else:
        gaussians = getattr(basis, "circular_basis", None)
        of_angles = outer_functions(gaussians, count, cosines[:, None], first_order)[:, :, 0]  # [Q * K, S]
        factors = outer_lengths(embedding, main.rbf, outer, of_angles)
        dihedral = outer_functions(gaussians, count, dihedral_cosine(cosine, sine, first_order), first_order)
    dihedral = dihedral * quadruplets.is_quadruplet[:, :, None]  # [Q, K, S or 2 S - 1, K]
    pair = _scaled(factors, basis, "scale_sbf"), dihedral.flatten(1, 2)
    return dataclasses.replace(bases, quadruplets=pair, inputs=inputs)


def _geometry(edges: EdgeGraph, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Return lengths, [E], in Å, and unit vectors from the target to the source, [E, 3]."""
    vectors = edges.vectors(positions)
    lengths = vectors.norm(dim=-1)
    return lengths, vectors / lengths[:, None]


def _angular(basis: Any, embedding: Any, cosines: Tensor, keep: Tensor, first_order: bool) -> Tensor:
    """Return functions of cosines [G, K, L], zero for those not to keep, [G, K, S, L]."""
    functions = functools.partial(circular, basis, embedding.num_spherical)
    return expand(functions, cosines, -2, first_order) * keep[:, :, None]


def _lengths(basis: Any, embedding: Any, rbf: Tensor, rows: Tensor) -> Tensor:
    """Return projected functions of lengths for rows of ``rbf``, [M, emb_size, S]."""
    return _scaled(projected(embedding, rbf), basis, "scale_cbf").index_select(0, rows)


def _scaled(values: Tensor, basis: Any, name: str) -> Tensor:
    """Return values times the scale factor of a basis, if it has one."""
    return values * scale_factors([getattr(basis, name)]) if hasattr(basis, name) else values
