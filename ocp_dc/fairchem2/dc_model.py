"""Fairchem 2's ``HydraModel``, a backbone with heads, with a ``dc:`` block."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fairchem.core.common.distutils import is_master
from fairchem.core.models.base import HydraModel
from omegaconf import OmegaConf
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.backbones.native import NativeBackbone
from ocp_dc.fairchem2.class_names import check_classes
from ocp_dc.fairchem2.csd_activation import expose_csd_activation
from ocp_dc.fairchem2.inference_guard import keep_surgery
from ocp_dc.fairchem2.probe import forward_once
from ocp_dc.fairchem2.regions import is_conservative, regions_of, why_direct
from ocp_dc.surgery import RegionTable, Report, apply_surgery
from ocp_dc.surgery.direct_forces import DirectOptions, check_direct
from ocp_dc.training.trainable import train_only

PATH = "model.dc"  # the key of the block in a config


class DCHydraModel(HydraModel):
    """A hydra with a ``dc:`` block; its other arguments are those of ``HydraModel``.

    Without ``dc``, or if the block changes nothing, it is a ``HydraModel``: same parameters, outputs and random numbers
    drawn. Surgery draws no random numbers and keeps the names of all parameters. ``trainable`` says which parameters
    are trained, as in :func:`ocp_dc.training.trainable.train_only`: ``head``, or regular expressions; None for all.

    Attributes:
        dc_options: the options of this instance.
        dc_report: the report of the surgery; None if the block changes no layer.
        dc_notes: what the report adds about the model, such as activations out of reach.

    Raises:
        UserError: a key of the block is unknown, the block does not fit the model, or the surgery is not possible.
    """

    dc_options: DirectOptions
    dc_report: Report | None

    def __init__(
        self,
        backbone: Mapping[str, Any] | None = None,
        heads: Mapping[str, Any] | None = None,
        finetune_config: Mapping[str, Any] | None = None,
        otf_graph: bool = True,
        pass_through_head_outputs: bool = False,
        freeze_backbone: bool = False,
        supports_single_atoms: bool = False,
        model_id: str | None = None,
        dc: Mapping[str, Any] | None = None,
        trainable: str | Sequence[str] | None = None,
    ) -> None:
        block: Any = OmegaConf.to_container(dc) if OmegaConf.is_config(dc) else dc
        options = DirectOptions.from_block(block, PATH)
        options.check(PATH)
        check_classes(backbone, heads)
        super().__init__(
            backbone=backbone,
            heads=heads,
            finetune_config=finetune_config,
            otf_graph=otf_graph,
            pass_through_head_outputs=pass_through_head_outputs,
            freeze_backbone=freeze_backbone,
            supports_single_atoms=supports_single_atoms,
            model_id=model_id,
        )
        self.dc_options = options
        self.dc_report = None
        self.dc_notes: tuple[str, ...] = ()
        check_direct(options, why_direct(self), type(self.backbone).__name__)
        self._accelerate()
        if not options.is_noop:
            self._operate()
        if trainable is not None:
            train_only(self.surgery_root, trainable, "model.trainable")

    @property
    def conservative(self) -> bool:
        """Return whether the model predicts forces that are the gradient of its energy."""
        return is_conservative(self)

    @property
    def surgery_root(self) -> nn.Module:
        """The module to which the paths of regions and of the report refer: a native potential, else the hydra."""
        return self.backbone.potential if isinstance(self.backbone, NativeBackbone) else self

    @property
    def dc_regions(self) -> RegionTable:
        """The activations of each named region."""
        return regions_of(self.backbone).table

    @property
    def backbone_changes(self) -> frozenset[str]:
        """The changes that surgery made to the backbone, each as a line with its path."""
        if self.dc_report is None:
            return frozenset()
        changes = self.dc_report.changes
        inside = self.surgery_root is not self  # all of a native potential is backbone
        return frozenset(f"{path}: {text}" for path, text in changes if inside or path.startswith("backbone."))

    def prepare_for_inference(self, data: Any, settings: Any) -> None:
        """Prepare the model as fairchem does, but keep the layers that surgery changed.

        Raises:
            MergeMoleConsistencyError: experts are to be merged, which makes a stock backbone, and surgery changed the
                backbone; fairchem's predict unit then goes on without merging.
        """
        if self.backbone_changes:
            keep_surgery(self.backbone, settings)
        before = self.backbone
        super().prepare_for_inference(data, settings)
        if self.backbone is not before:  # a new backbone of merged experts, which lacks what tasks asked of the old one
            self.backbone.regress_config = before.regress_config

    def _accelerate(self) -> None:
        """Choose the forward pass of a native backbone; raises UserError if there is no native one."""
        options = self.dc_options
        if isinstance(self.backbone, NativeBackbone):
            self.backbone.set_acceleration(options)
        elif options.accelerate in ("native", "compile"):
            raise UserError(
                f"{PATH}.accelerate: got {options.accelerate!r}, and {type(self.backbone).__name__} is not native; "
                "leave the key out, or set it to auto or off. The native ones are those of ocp_dc.fairchem2.backbones"
            )

    def _operate(self) -> None:
        regions = regions_of(self.backbone)
        csd_note = expose_csd_activation(self.backbone) if self.dc_options.has_swaps else None
        self.dc_report = apply_surgery(self.surgery_root, self.dc_options, regions.table, self._probe, PATH)
        self.dc_notes = tuple(note for note in (regions.note, csd_note) if note is not None)
        if is_master():
            logging.info("\n".join((str(self.dc_report), *self.dc_notes)))

    def _probe(self, _: nn.Module) -> None:
        forward_once(self)
