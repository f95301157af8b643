"""Run one of fairchem's configs in one way in this process, for host_configs.py: the data, the overrides, the run."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import ocp_dc

# Reduced sizes, for these keys anywhere in the model block. Other keys keep their values, as does the number of blocks,
# each of which the scale files name.
SIZES: dict[str, Any] = {
    **dict.fromkeys(("hidden_channels", "num_filters", "out_emb_channels", "sphere_channels", "edge_channels"), 16),
    **dict.fromkeys(("attn_hidden_channels", "attn_alpha_channels", "attn_value_channels", "ffn_hidden_channels"), 8),
    **dict.fromkeys(("int_emb_size", "basis_emb_size", "num_heads", "sphere_channels_reduce"), 4),
    **dict.fromkeys(("num_radial", "num_rbf", "num_gaussians", "num_distance_basis", "num_basis_functions"), 8),
    **dict.fromkeys(("max_neighbors", "max_neighbors_aint", "max_neighbors_aeaint", "max_num_neighbors"), 8),
    **dict.fromkeys(("num_layers", "num_interactions"), 2),
    **{"lmax_list": [2], "mmax_list": [1], "num_spherical": 3, "num_sphere_samples": 16},
}
REDUCED_TO = {"emb_size_": 8, "cutoff": 5.0, "max_radius": 5.0}  # by the beginning of the key
OPTIM = {"batch_size": 2, "eval_batch_size": 2, "num_workers": 0, "max_epochs": 1, "eval_every": 2}
DC = {"model.dc.activation": "irelu", "model.dc.region": "output"}
REMEDIES = {"allow_direct: true": "model.dc.allow_direct", "direct_forces: false": "model.direct_forces"}
TRAINS = "trains"
TRAIN, VAL = 4, 2  # structures


def write_data(folder: Path) -> None:
    """Write slabs of the bundled sample as LMDBs and as ASE databases, with every label that the configs need.

    The records have the labels of s2ef and of is2re (the relaxed energy is the energy) and the flags of OC22; the
    databases have a random stress.
    """
    import ase.db
    import numpy as np
    from ase.calculators.singlepoint import SinglePointCalculator

    from ocp_dc.data.oc20_lmdb.lmdb_io import to_data, write_lmdb
    from ocp_dc.data.readers.ase_files import AseSource
    from ocp_dc.data.sample import slab_sample_path

    source, generator = AseSource(slab_sample_path()), np.random.default_rng(0)
    for name, numbers in {"train": range(TRAIN), "val": range(TRAIN, TRAIN + VAL)}.items():
        part = folder / name
        part.mkdir(parents=True)
        records = []
        with ase.db.connect(part / "data.db") as database:
            for number in numbers:
                frame = source[number]
                record = to_data(frame, sid=number)
                record.update({"y_relaxed": frame.energy, "pos_relaxed": record.pos.clone(), "oc22": 1, "nads": 1})
                records.append(record)
                atoms = ase.Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=True)
                stress = generator.normal(0, 0.01, 6)
                atoms.calc = SinglePointCalculator(atoms, energy=frame.energy, forces=frame.forces, stress=stress)
                database.write(atoms)
        write_lmdb(part / "data.lmdb", records)


def overrides(config: Mapping[str, Any], data: Path, more: Mapping[str, Any]) -> list[str]:
    """Return the overrides of a run.

    Args:
        config: the config as fairchem reads it; empty if it cannot be read.
        data: the folder of :func:`write_data`.
        more: further overrides, by dotted key.
    """
    given: dict[str, Any] = {"logger": "tensorboard", **{f"optim.{key}": value for key, value in OPTIM.items()}}
    dataset, model = config.get("dataset") or {}, config.get("model") or {}
    for split in ("train", "val"):
        listed = isinstance((dataset.get(split) or {}).get("src"), list)
        given[f"dataset.{split}.src"] = [str(data / split)] if listed else str(data / split)
    if "scheduler_params" in (config.get("optim") or {}):
        given["optim.scheduler_params.warmup_epochs"] = (
            1  # a tenth of two steps rounds to 0, by which fairchem would divide
        )
    given |= smaller(model, "model")
    if model and "backbone" not in model:
        given["model.otf_graph"] = True  # unlike OC20's records, those of the sample have no edges
    return [f"--{key}={value}" for key, value in {**given, **more}.items()]


def smaller(block: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the reduced sizes of a model block, by dotted key."""
    found: dict[str, Any] = {}
    for key, value in block.items():
        if isinstance(value, Mapping):
            found |= smaller(value, f"{path}.{key}")
        elif key in SIZES:
            found[f"{path}.{key}"] = SIZES[key]
        else:
            found |= {f"{path}.{key}": size for start, size in REDUCED_TO.items() if key.startswith(start)}
    return found


# ---- one case, in a separate process -----------------------------------------------------------------------------


def case(configs: Path, path: Path, stock: bool, dc: bool, data: Path) -> str:
    """Train one config in one way in this process; return TRAINS or the first line of the error.

    Args:
        configs: the folder of the configs.
        path: the config.
        stock: run fairchem's main instead of ocp_dc's.
        dc: use the wrapper of the model with a ``dc:`` block; keys that it requires are added, and named in the result.
        data: the folder of :func:`write_data`.
    """
    from fairchem.core.common.utils import load_config

    os.chdir(configs.parent)  # the includes and scale files of the configs are named from there
    path = path.relative_to(configs.parent)
    try:
        config = load_config(str(path))[0]
    except Exception:  # the run itself reports the error
        config = {}
    model = config.get("model") or {}
    more: dict[str, Any] = {"model.name": f"dc_{model['name']}", **DC} if dc and model else {}
    remedies = dict(REMEDIES)
    while True:
        with tempfile.TemporaryDirectory() as folder:
            fixed = f"--mode train --config-yml {path} --cpu --run-dir {folder} --print-every 1 --seed 0".split()
            outcome = attempt(stock, [*fixed, *overrides(config, data, more)], Path(folder))
        required = next((text for text in remedies if text in outcome), None)
        if required is None:
            break
        more[remedies.pop(required)] = required.endswith("true")
    return ", ".join([outcome, *(f"`{text}`" for text in REMEDIES if text not in remedies)])


def attempt(stock: bool, arguments: list[str], folder: Path) -> str:
    """Run fairchem's main or ocp_dc's with a command line; return TRAINS or the first line of the error."""
    log = folder / "log.txt"
    with log.open("w") as stream:
        for descriptor in (1, 2):  # the loggers keep references to the old streams
            os.dup2(stream.fileno(), descriptor)
    try:
        if stock:
            stock_main(arguments)
        else:
            status = importlib.import_module("ocp_dc.cli").main(["main", *arguments])
            if status != 0:
                sys.stderr.flush()
                errors = [line for line in log.read_text().splitlines() if line.startswith("error: ")]
                return errors[-1] if errors else f"exit status {status}"
    except BaseException as error:  # any error is a result for the table
        text = str(error).strip().splitlines()
        return f"{type(error).__name__}: {text[0] if text else ''}"
    return trained(folder)


def trained(folder: Path) -> str:
    """Return TRAINS if a run wrote a checkpoint with finite weights, else a description of the failure."""
    import torch

    found = list(folder.rglob("checkpoint.pt"))
    if not found:
        return "ended without a checkpoint"
    weights = torch.load(found[0], weights_only=False)["state_dict"].values()
    return TRAINS if all(torch.isfinite(weight).all() for weight in weights) else "the weights are not finite any more"


def stock_main(arguments: list[str]) -> None:
    """Run fairchem's main as its command does."""
    from fairchem.core import _cli
    from fairchem.core.common.flags import flags

    _cli.main(*flags.get_parser().parse_known_args(arguments))


def fallbacks_alone() -> None:
    """Install only the fallbacks for compiled packages and the lazy basis functions of DimeNet++; import fairchem.

    ``ocp_dc.fairchem1`` installs every hook when it is imported, so an empty package replaces it meanwhile.
    """
    package = ModuleType("ocp_dc.fairchem1")
    package.__path__ = [str(Path(ocp_dc.__file__).with_name("fairchem1"))]
    sys.modules["ocp_dc.fairchem1"] = package
    importlib.import_module("ocp_dc.fallbacks.install").install()
    importlib.import_module("ocp_dc.fairchem1.host_patches.lazy_basis").install()
    importlib.import_module("fairchem.core.common.utils").setup_imports()
    importlib.import_module("fairchem.core._cli")


def import_ours() -> None:
    """Install every hook, after :func:`fallbacks_alone`."""
    del sys.modules["ocp_dc.fairchem1"]
    importlib.import_module("ocp_dc.fairchem1.main")
