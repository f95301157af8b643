"""Everything that is changed in fairchem at run time, each with its reason.

The hooks are written for one version of fairchem and refuse any other. They are idempotent: installing them twice
leaves what the first time put there.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.data.safe_npz import load_npz
from ocp_dc.fairchem1.host_patches import dataset_readers
from ocp_dc.fallbacks.finder import FAIRCHEM_VERSION


def install() -> None:
    """Put every hook in force.

    Raises:
        UserError: fairchem-core is missing or of another version.
    """
    check_version()
    for hook in HOOKS:
        hook()


def check_version() -> None:
    """Refuse a fairchem that these hooks were not written for."""
    try:
        found = importlib.metadata.version("fairchem-core")
    except importlib.metadata.PackageNotFoundError:
        found = "none"
    if found != FAIRCHEM_VERSION:
        raise UserError(
            f"ocp_dc.fairchem1 needs fairchem-core {FAIRCHEM_VERSION}, found {found}; pip install 'ocp_dc[fairchem1]'"
        )


def missing_packages() -> None:
    """Fairchem imports torch_scatter and torch_sparse at import time, which exist as source only.

    Fallbacks in pure PyTorch stand in, only where the compiled package is missing. scipy 1.17 dropped sph_harm, which
    one of fairchem's basis files imports.
    """
    from ocp_dc.fallbacks.install import install as install_fallbacks

    install_fallbacks()


def weights_only_loading() -> None:
    """Up to torch 2.5 torch.load runs code from a checkpoint unless told otherwise, and fairchem does not tell it."""
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 6):
        os.environ.setdefault("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")


class _SafePickle:
    """Stands where fairchem's LMDB readers name the pickle module."""

    loads = staticmethod(dataset_readers.read_record)

    @staticmethod
    def load(file: Any) -> object:
        """Read an open file as data."""
        return dataset_readers.read_record(file.read())


class _SafeNumpy:
    """Stands where fairchem's base dataset names numpy: loads archives as data, and is numpy otherwise."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def load(file: Any, allow_pickle: bool = False) -> Any:
        """Read an npz as data, whatever the caller allows."""
        return load_npz(file)


def safe_unpickling() -> None:
    """LMDB records, ``length`` entries and metadata.npz are pickles: fairchem runs whatever code they hold."""
    for name in ("lmdb_dataset", "oc22_lmdb_dataset"):
        module: Any = importlib.import_module(f"fairchem.core.datasets.{name}")
        module.pickle = _SafePickle
    base: Any = importlib.import_module("fairchem.core.datasets.base_dataset")
    if not isinstance(base.np, _SafeNumpy):
        base.np = _SafeNumpy()


def readers_of_each_process() -> None:
    """Fairchem opens LMDBs once and uses them in forked loader workers too, where lmdb may read freed memory.

    Workers that are spawned import fairchem before any hook.
    """
    dataset_readers.install_lmdb_readers()
    dataset_readers.install_dataset_pickling()


def checked_structures() -> None:
    """Fairchem trains on whatever its ase formats read; LMDB records are checked where they are unpickled."""
    dataset_readers.install_ase_checks()


def key_mappings() -> None:
    """Fairchem stops with a bare assertion where a record has a label under its old name and under the new one."""
    from ocp_dc.fairchem1.host_patches import key_mapping

    key_mapping.install()


def safe_checkpoints() -> None:
    """torch.load verifies no checksum, its errors are tracebacks, and a checkpoint's config names code to be run."""
    from ocp_dc.fairchem1.host_patches import safe_loading

    safe_loading.install()


def whole_files() -> None:
    """Fairchem writes predictions, relaxed positions and normalizers into the file itself, and follows links."""
    from ocp_dc.fairchem1.host_patches import whole_files

    whole_files.install()


def transform_name() -> None:
    """Transforms are looked up by name in one module's namespace: put ``label_rescaling`` there."""
    from ocp_dc.fairchem1.train.transform import label_rescaling

    transforms: Any = importlib.import_module("fairchem.core.modules.transforms")
    transforms.label_rescaling = label_rescaling


def job_pickling() -> None:
    """Spawned ranks and Slurm jobs unpickle the runner, and with fairchem's they import fairchem before any hook.

    Ours names a module of this package, whose import installs the hooks.
    """
    from ocp_dc.fairchem1.train import runner

    cli: Any = importlib.import_module("fairchem.core._cli")
    cli.Runner = runner.Runner
    cli.runner_wrapper = runner.run


def ports_of_ranks() -> None:
    """The ranks of every training on a machine meet at port 29400: a second training ends with the first."""
    cli: Any = importlib.import_module("fairchem.core._cli")
    if not isinstance(cli.LaunchConfig, functools.partial):
        cli.LaunchConfig = functools.partial(cli.LaunchConfig, rdzv_endpoint="localhost:0")  # any free port


def relaxations() -> None:
    """Fairchem's relaxations stop with ase 3.23 and later, and wrap molecules into a cell that they do not have."""
    from ocp_dc.fairchem1.host_patches import relaxation_repairs

    relaxation_repairs.install()


def basis_functions() -> None:
    """DimeNet++ derives its basis functions with sympy, 15 seconds a model: they are derived once and kept."""
    from ocp_dc.fairchem1.host_patches import basis_cache

    basis_cache.install()


def scale_factor_messages() -> None:
    """Of unfitted scale factors fairchem warns once a factor and validation, or stops, and names a script that prompts.

    Ours says once what to do, and stops with a user's error; a file without some of them is one too.
    """
    from ocp_dc.fairchem1.train.scale_factors import ensure_fitted, load_scales

    for name in ("base_trainer", "ocp_trainer"):
        module: Any = importlib.import_module(f"fairchem.core.trainers.{name}")
        module.ensure_fitted = ensure_fitted
    for name in ("gemnet.gemnet", "gemnet_gp.gemnet", "gemnet_oc.gemnet_oc", "painn.painn"):
        model: Any = importlib.import_module(f"fairchem.core.models.{name}")
        model.load_scales_compat = load_scales


def models_that_stop() -> None:
    """Models that stop with an error on good input, as on a lone atom: what lets them run, their values unchanged."""
    from ocp_dc.fairchem1.host_patches import edgeless, model_repairs

    model_repairs.install()
    edgeless.install()


def errors_of_models() -> None:
    """Turn errors of a model's constructor into UserErrors, with any trainer."""
    from ocp_dc.fairchem1.checks.model_arguments import constructor_errors

    base: Any = importlib.import_module("fairchem.core.trainers.base_trainer")
    stock = base.BaseTrainer.load_model
    if hasattr(stock, "__wrapped__"):
        return

    @functools.wraps(stock)
    def load_model(self: Any) -> None:
        with constructor_errors(self.config["model"]):
            stock(self)

    base.BaseTrainer.load_model = load_model


def one_parser_of_overrides() -> None:
    """Fairchem's main parses overrides by itself, otherwise than every other command of ours."""
    from ocp_dc.fairchem1.train import run_config

    cli: Any = importlib.import_module("fairchem.core._cli")
    cli.build_config = run_config.build_config


HOOKS: tuple[Callable[[], None], ...] = (
    missing_packages,
    weights_only_loading,
    safe_unpickling,
    readers_of_each_process,
    checked_structures,
    key_mappings,
    safe_checkpoints,
    whole_files,
    transform_name,
    job_pickling,
    ports_of_ranks,
    relaxations,
    basis_functions,
    scale_factor_messages,
    models_that_stop,
    errors_of_models,
    one_parser_of_overrides,
)
