"""Install all changes of fairchem at run time; the docstring of each hook gives its reason.

The hooks are written for one version of fairchem and refuse any other. They are idempotent: installing them again
changes nothing.
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
from ocp_dc.fallbacks.finder import FAIRCHEM_VERSION, after_import


def install() -> None:
    """Install every hook.

    Raises:
        UserError: fairchem-core is missing or of another version.
    """
    check_version()
    for hook in HOOKS:
        hook()


def check_version() -> None:
    """Check that the installed fairchem is the version for which these hooks were written."""
    try:
        found = importlib.metadata.version("fairchem-core")
    except importlib.metadata.PackageNotFoundError:
        found = "none"
    if found != FAIRCHEM_VERSION:
        raise UserError(
            f"ocp_dc.fairchem1 needs fairchem-core {FAIRCHEM_VERSION}, found {found}; pip install 'ocp_dc[fairchem1]'"
        )


def missing_packages() -> None:
    """Install fallbacks in pure PyTorch for torch_scatter and torch_sparse if the compiled packages are missing.

    Fairchem imports both at import time, and they are distributed as source only. scipy 1.17 dropped sph_harm, which
    one of fairchem's basis files imports.
    """
    from ocp_dc.fallbacks.install import install as install_fallbacks

    install_fallbacks()


def weights_only_loading() -> None:
    """Make torch.load read data only: up to torch 2.5 its default, which fairchem uses, runs code from a checkpoint."""
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 6):
        os.environ.setdefault("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")


class _SafePickle:
    """Replacement for pickle in fairchem's LMDB readers, with a safe ``load``."""

    loads = staticmethod(dataset_readers.read_record)

    @staticmethod
    def load(file: Any) -> object:
        """Read an open file as data."""
        return dataset_readers.read_record(file.read())


class _SafeNumpy:
    """Replacement for numpy in the module of fairchem's base dataset, with a safe ``load``."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def load(file: Any, allow_pickle: bool = False) -> Any:
        """Read an npz archive as data, also if the caller allows pickles."""
        return load_npz(file)


def safe_unpickling() -> None:
    """Read LMDB records, ``length`` entries and metadata.npz as data: they are pickles, whose code fairchem runs."""
    for name in ("lmdb_dataset", "oc22_lmdb_dataset"):
        module: Any = importlib.import_module(f"fairchem.core.datasets.{name}")
        module.pickle = _SafePickle
    base: Any = importlib.import_module("fairchem.core.datasets.base_dataset")
    if not isinstance(base.np, _SafeNumpy):
        base.np = _SafeNumpy()


def readers_of_each_process() -> None:
    """Open LMDBs in each process: fairchem shares them with forked loader workers, where lmdb may read freed memory.

    Spawned workers import fairchem before any hook, so pickled data sets import the hooks.
    """
    dataset_readers.install_lmdb_readers()
    dataset_readers.install_dataset_pickling()


def files_of_structures() -> None:
    """Read xyz, traj, db, npz and aselmdb files where fairchem expects an LMDB; they are converted once."""
    from ocp_dc.fairchem1.host_patches import structure_files

    structure_files.install()


def checked_structures() -> None:
    """Check the structures that fairchem's ase formats read; LMDB records are checked when they are unpickled."""
    dataset_readers.install_ase_checks()


def key_mappings() -> None:
    """Report a record that has a label under both its old and its new name: fairchem stops with a bare assertion."""
    from ocp_dc.fairchem1.host_patches import key_mapping

    key_mapping.install()


def safe_checkpoints() -> None:
    """Check files before torch.load, which verifies no checksums, and the code that a checkpoint's config names."""
    from ocp_dc.fairchem1.host_patches import safe_loading

    safe_loading.install()


def whole_files() -> None:
    """Write predictions, relaxed positions and normalizers atomically; fairchem writes in place and follows links."""
    from ocp_dc.fairchem1.host_patches import whole_files

    whole_files.install()


def transform_name() -> None:
    """Put ``label_rescaling`` into the module in which fairchem looks up transforms by name."""
    from ocp_dc.fairchem1.train.transform import label_rescaling

    transforms: Any = importlib.import_module("fairchem.core.modules.transforms")
    transforms.label_rescaling = label_rescaling


def job_pickling() -> None:
    """Replace fairchem's runner by one whose module installs the hooks when it is imported.

    Spawned ranks and Slurm jobs unpickle the runner; with fairchem's runner they import fairchem before any hook.
    """
    from ocp_dc.fairchem1.train import runner

    cli: Any = importlib.import_module("fairchem.core._cli")
    cli.Runner = runner.Runner
    cli.runner_wrapper = runner.run


def ports_of_ranks() -> None:
    """Use a free port for each run: at fairchem's fixed port 29400 a second run on a machine ends with the first."""
    cli: Any = importlib.import_module("fairchem.core._cli")
    if not isinstance(cli.LaunchConfig, functools.partial):
        cli.LaunchConfig = functools.partial(cli.LaunchConfig, rdzv_endpoint="localhost:0")  # any free port


def relaxations() -> None:
    """Repair relaxations: they fail with ase 3.23 and later, and wrap molecules into a cell that they do not have."""
    from ocp_dc.fairchem1.host_patches import relaxation_repairs

    relaxation_repairs.install()


def basis_functions() -> None:
    """Derive the basis functions of DimeNet++ when stock's forward first needs them: sympy takes 15 seconds."""
    from ocp_dc.fairchem1.host_patches import lazy_basis

    lazy_basis.install()


def scale_factor_messages() -> None:
    """Report unfitted scale factors once, with a remedy, and stop with a UserError, also if a file lacks some of them.

    Fairchem warns for each factor at each validation, or stops, and refers to a script that prompts.
    """
    from ocp_dc.fairchem1.train.scale_factors import ensure_fitted, use_load_scales

    for name in ("base_trainer", "ocp_trainer"):
        module: Any = importlib.import_module(f"fairchem.core.trainers.{name}")
        module.ensure_fitted = ensure_fitted
    for name in ("gemnet.gemnet", "gemnet_gp.gemnet", "gemnet_oc.gemnet_oc", "painn.painn"):
        after_import(f"fairchem.core.models.{name}", use_load_scales)


def models_that_stop() -> None:
    """Repair models that fail on valid input, such as a single atom; results that were right do not change."""
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


def names_at_first_use() -> None:
    """Import fairchem's models, trainers and data sets when a name is looked up: all of them take seconds."""
    from ocp_dc.fairchem1.host_patches import lazy_names

    lazy_names.install()


def one_parser_of_overrides() -> None:
    """Make fairchem's main parse overrides like all other commands of ocp_dc."""
    from ocp_dc.fairchem1.train import run_config

    cli: Any = importlib.import_module("fairchem.core._cli")
    cli.build_config = run_config.build_config


HOOKS: tuple[Callable[[], None], ...] = (
    missing_packages,
    weights_only_loading,
    safe_unpickling,
    readers_of_each_process,
    files_of_structures,
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
    names_at_first_use,
)
