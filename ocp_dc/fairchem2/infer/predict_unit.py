"""Build fairchem's predict unit from a checkpoint that was read as data."""

from __future__ import annotations

import importlib
import shutil
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fairchem.core.units.mlip_unit.api.inference import guess_inference_settings
from fairchem.core.units.mlip_unit.predict import MLIPPredictUnit
from hydra.errors import InstantiationException
from torch import nn

from ocp_dc.checkpoints.code_names import PACKAGES, model_names
from ocp_dc.checkpoints.inference_checkpoint import (
    InferenceCheckpoint,
    read_inference_checkpoint,
    write_inference_checkpoint,
)
from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.training.model_size import bounded_by_checkpoint


def trusted_predict_unit(
    path: str | Path, device: str = "cpu", settings: Any = "traineval", trust_modules: Iterable[str] = ()
) -> MLIPPredictUnit:
    """Return fairchem's predict unit for a checkpoint, without unpickling that file.

    fairchem reads the file with ``torch.load(weights_only=False)``, also later, when it falls back to another mode of
    inference. So the unit gets a temporary copy, written from the verified content, which is removed with the unit.

    Args:
        path: an inference checkpoint of fairchem 2 or ocp_dc; it is read as data.
        device: ``cpu`` or ``cuda``.
        settings: the name of fairchem's inference settings, or an InferenceSettings.
        trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name and thereby run.

    Raises:
        UserError: the file is missing, damaged or hostile.
    """
    trusted = tuple(trust_modules)
    checkpoint = read_inference_checkpoint(path, trusted)
    check_model_classes(checkpoint, f"checkpoint {path}", trusted)
    folder = Path(tempfile.mkdtemp(prefix="ocp_dc-"))
    try:
        copy = folder / Path(path).name
        write_inference_checkpoint(checkpoint, copy)
        with bounded_by_checkpoint(path):
            unit = MLIPPredictUnit(str(copy), device=device, inference_settings=guess_inference_settings(settings))
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, InstantiationException) and isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        raise
    weakref.finalize(unit, shutil.rmtree, folder, ignore_errors=True)
    return unit


def check_model_classes(checkpoint: InferenceCheckpoint, where: str, trust_modules: Iterable[str] = ()) -> None:
    """Check that each backbone and head that the config names by module and class is a torch module of that package.

    Functions in the packages of models, such as the one that unpickles a checkpoint, are refused here.

    Raises:
        UnsafeDataError: a name is that of something else.
    """
    trusted = tuple(trust_modules)
    for place, name in model_names(checkpoint.model_config, "model"):
        module, _, last = name.rpartition(".")
        if not module or any(f"{module}.".startswith(f"{each}.") for each in trusted):
            continue
        try:
            found = getattr(importlib.import_module(module), last, None)  # a module below PACKAGES
        except ModuleNotFoundError:
            found = None
        is_model = isinstance(found, type) and issubclass(found, nn.Module)
        if not is_model or not any(found.__module__.startswith(f"{package}.") for package in PACKAGES):
            raise UnsafeDataError(
                f"{where}: its config names {name!r} as {place}, which is not a model of the installed fairchem or "
                "ocp_dc; the checkpoint is refused"
            )
