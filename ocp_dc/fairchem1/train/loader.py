"""The data loader of a run: fairchem's, with its own generator and a faster collater."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader

from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.memory_dataset import keep_edges
from ocp_dc.fairchem1.train.model_boundaries import has_boundaries


def make_loader(
    stock: DataLoader, config: Mapping[str, Any], model: Any, device: torch.device, seed: int
) -> DataLoader:
    """Return a loader of the same batches as fairchem's.

    A loader draws from its generator whenever an iterator is created. With the global generator, a resumed run would
    make one more draw than an uninterrupted one, and dropout would differ.

    Args:
        stock: fairchem's loader.
        config: the ``model`` block.
        model: the model; its edges are kept with the samples of a data set in memory.
        device: the device of the run.
        seed: the seed of the generator.
    """
    keep_edges(stock.dataset, model)
    options = {
        "otf_graph": config.get("otf_graph", "backbone" in config),
        # with periodic boundaries fairchem finds missing edges itself
        "needs_edges": not (getattr(model, "otf_graph", True) or getattr(model, "use_pbc", True)),
    }
    return DataLoader(
        stock.dataset,
        collate_fn=functools.partial(collate, use_pbc=has_boundaries(model), **options),
        num_workers=stock.num_workers,
        pin_memory=device.type == "cuda",
        batch_sampler=stock.batch_sampler,
        generator=torch.Generator().manual_seed(seed),
    )
