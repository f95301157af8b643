"""GemNet-OC's bases and their projections as modules, with the names that they have in fairchem 1.10."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.models.gemnet_basis import CircularBasis, GaussianSmearing, RadialBasis
from ocp_dc.models.gemnet_layers import Dense, ScaleFactor, he_orthogonal_
from ocp_dc.models.gemnet_oc_layers import Sizes

SPHERICAL_BASES = ("spherical_harmonics", "legendre_outer", "gaussian_outer")
Block = Mapping[str, Any] | None


@dataclasses.dataclass(frozen=True)
class BasisOptions:
    """The bases; arguments of :class:`ocp_dc.models.gemnet_oc.GemNetOC`."""

    num_radial: int
    num_spherical: int
    rbf: Block
    rbf_spherical: Block
    envelope: Block
    cbf: Block
    sbf: Block
    scale_basis: bool

    def radial(self, cutoff: float, *, with_angles: bool = False) -> RadialBasis:
        """Return a basis of distances up to a cutoff, in Å, alone or for products with functions of angles."""
        block = dict((with_angles and self.rbf_spherical) or self.rbf or {"name": "gaussian"})
        trainable = bool(block.pop("trainable", False))
        envelope = self.envelope or {"name": "polynomial", "exponent": 5}
        basis = RadialBasis(self.num_radial, cutoff, block, envelope)
        _set_gaussians(basis.rbf, 1.0, trainable)
        return self._scaled(basis, "scale_rbf")

    def circular(self, radial: RadialBasis) -> CircularBasis:
        """Return bases of distances and of an angle."""
        block = dict(self.cbf or {"name": "spherical_harmonics"})
        trainable = bool(block.pop("trainable", False))
        basis = CircularBasis(self.num_spherical, radial, block)
        _set_gaussians(basis.cosφ_basis, 2.0, trainable)
        return self._scaled(basis, "scale_cbf")

    def spherical(self, radial: RadialBasis) -> SphericalBasis:
        """Return bases of distances and of two angles."""
        return self._scaled(
            SphericalBasis(self.num_spherical, radial, self.sbf or {"name": "spherical_harmonics"}), "scale_sbf"
        )

    def _scaled(self, basis: Any, name: str) -> Any:
        if self.scale_basis:
            basis.add_module(name, ScaleFactor())
        return basis


class SphericalBasis(nn.Module):
    """A basis of distances and a basis of two angles; the functions of angles have parameters for Gaussians only.

    Args:
        num_spherical: the number of functions of each angle.
        radial_basis: the basis of distances.
        sbf: ``name``, one of spherical_harmonics, legendre_outer and gaussian_outer, and arguments of the last.
    """

    def __init__(self, num_spherical: int, radial_basis: RadialBasis, sbf: Mapping[str, Any]) -> None:
        super().__init__()
        self.radial_basis = radial_basis
        name = str(sbf.get("name")).lower()
        if name not in SPHERICAL_BASES:
            choices = ", ".join(SPHERICAL_BASES)
            raise UserError(
                f"model.sbf.name: got {sbf.get('name')!r}, expected one of {choices}.{nearest(name, SPHERICAL_BASES)}"
            )
        if name == "gaussian_outer":
            self.circular_basis = GaussianSmearing(-1, 1, num_spherical)
            _set_gaussians(self.circular_basis, 2.0, bool(sbf.get("trainable", False)))


class BasisEmbedding(nn.Module):
    """Weights from functions of distances and angles to ``emb_size`` features.

    Args:
        num_radial: the number of functions of a distance.
        emb_size: features.
        num_spherical: the number of functions of angles; None for distances alone.
    """

    def __init__(self, num_radial: int, emb_size: int, num_spherical: int | None = None) -> None:
        super().__init__()
        self.num_spherical = num_spherical
        shape = (emb_size, num_radial) if num_spherical is None else (num_radial, num_spherical, emb_size)
        self.weight = nn.Parameter(torch.empty(shape))
        he_orthogonal_(self.weight)


def named_bases(model: Any, options: BasisOptions) -> dict[str, nn.Module]:
    """Return the bases of a model by name.

    Args:
        model: with the cutoffs, and which interactions it has.
        options: the kinds of bases.
    """
    main = options.radial(model.cutoff, with_angles=True)  # shared by several bases, as in fairchem
    parts: dict[str, nn.Module] = {"radial_basis": options.radial(model.cutoff)}
    if model.quad_interaction:
        parts["cbf_basis_qint"] = options.circular(options.radial(model.cutoff_qint, with_angles=True))
        parts["sbf_basis_qint"] = options.spherical(main)
    if model.atom_edge_interaction or model.edge_atom_interaction:
        parts["radial_basis_aeaint"] = options.radial(model.cutoff_aeaint)
    if model.atom_edge_interaction:
        parts["cbf_basis_aeint"] = options.circular(main)
    if model.edge_atom_interaction:
        parts["cbf_basis_eaint"] = options.circular(options.radial(model.cutoff_aeaint, with_angles=True))
    if model.atom_interaction:
        parts["radial_basis_aint"] = options.radial(model.cutoff_aint)
    parts["cbf_basis_tint"] = options.circular(main)
    return parts


def named_projections(model: Any, options: BasisOptions, sizes: Sizes) -> dict[str, nn.Module]:
    """Return the projections of the bases by name, in the order of fairchem's random draws.

    Args:
        model: says which interactions it has.
        options: the numbers of functions.
        sizes: the numbers of features.
    """
    radial, spherical = options.num_radial, options.num_spherical
    parts: dict[str, nn.Module] = {}
    if model.quad_interaction:
        parts["mlp_rbf_qint"] = Dense(radial, sizes.rbf)
        parts["mlp_cbf_qint"] = BasisEmbedding(radial, sizes.cbf, spherical)
        parts["mlp_sbf_qint"] = BasisEmbedding(radial, sizes.sbf, spherical**2)
    for has, name in ((model.atom_edge_interaction, "aeint"), (model.edge_atom_interaction, "eaint")):
        if has:
            parts[f"mlp_rbf_{name}"] = Dense(radial, sizes.rbf)
            parts[f"mlp_cbf_{name}"] = BasisEmbedding(radial, sizes.cbf, spherical)
    if model.atom_interaction:
        parts["mlp_rbf_aint"] = BasisEmbedding(radial, sizes.rbf)
    parts["mlp_rbf_tint"] = Dense(radial, sizes.rbf)
    parts["mlp_cbf_tint"] = BasisEmbedding(radial, sizes.cbf, spherical)
    parts["mlp_rbf_h"] = Dense(radial, sizes.rbf)
    parts["mlp_rbf_out"] = Dense(radial, sizes.rbf)
    return parts


def _set_gaussians(basis: Any, width: float, trainable: bool) -> None:
    """Give Gaussians the exact distance of their centers, as in GemNet-OC, and train the centers if wanted.

    Args:
        basis: a basis; nothing is done unless it consists of Gaussians.
        width: the distance of the first and the last center.
        trainable: whether the centers are trained.
    """
    if not isinstance(basis, GaussianSmearing):
        return
    basis.coeff = -0.5 / (width / (len(basis.offset) - 1)) ** 2
    if trainable:
        centers = basis.offset
        del basis.offset
        basis.offset = nn.Parameter(centers)
