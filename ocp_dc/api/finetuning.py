"""Fine-tune a checkpoint on other data."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ocp_dc.api.process_state import unchanged_process
from ocp_dc.api.run import Run
from ocp_dc.api.training import new_name
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import read_json, write_json
from ocp_dc.core.log_level import raised_log_level
from ocp_dc.data.dataset_cache import as_splits
from ocp_dc.data.structures import ReadOptions
from ocp_dc.training.finetuning import FineTuning
from ocp_dc.training.run_folders import find_checkpoint
from ocp_dc.training.trainable import HEAD

if TYPE_CHECKING:
    from ocp_dc.hosts import Host

RECORD = "finetune.json"


def finetune(
    checkpoint: str | Path,
    data: str | Path,
    *,
    out: str | Path = "runs",
    name: str | None = None,
    epochs: int = 10,
    lr: float | None = None,
    head_only: bool = False,
    batch_size: int = 10,
    seed: int = 0,
    cpu: bool = False,
    quiet: bool = False,
    trust_modules: Sequence[str] = (),
    reading: ReadOptions = ReadOptions(),  # noqa: B008 - immutable
) -> Run:
    """Train the weights of a checkpoint further on other data, and return the run.

    The scale C of the labels is the checkpoint's, so that its forces are right from the first step. Reference energies
    are fitted to the new labels: to those of the checkpoint, the difference of the new energies and its predictions is
    added, by least squares per element. The moments of the optimizer and the averages of the weights start anew.
    The same call with a ``name`` resumes a run that was interrupted.

    Args:
        checkpoint: a run's folder or name; a checkpoint of ocp_dc or fairchem 1.10; or an inference checkpoint of
            fairchem 2 for one data set. One of the other version of fairchem is converted if its model has a native
            potential.
        data: a folder that ``ocp-dc prepare`` made, or any file of structures, which is split 80/10/10.
        out: the folder of runs; the files are in ``out/name``, with the config ``finetune.yml`` or ``finetune.yaml``.
        name: the name of the run; None for ``finetune``, with a number that makes it new.
        epochs: the number of epochs.
        lr: the highest learning rate; None for 1e-4, and 1e-3 with ``head_only``.
        head_only: train only the last layers, which turn features into energies.
        batch_size: structures per step.
        seed: the seed of the order of the data.
        cpu: use the CPU even if there is a GPU.
        quiet: whether to show only warnings; the log file has everything.
        trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name.
        reading: what a file of structures does not say: its units, and the names of its labels.

    Raises:
        ocp_dc.core.errors.UserError: a mistake in an argument or a file, or the model cannot be converted.
        ocp_dc.core.errors.DivergenceError: a loss or a gradient is not finite.
    """
    from ocp_dc.hosts import installed_host  # fairchem takes seconds to import

    checkpoint = find_checkpoint(checkpoint)
    out, source = Path(out), as_splits(data, reading).absolute()
    trainable = HEAD if head_only else None
    tuning = FineTuning(str(checkpoint), source, epochs, lr, batch_size, trainable, seed, cpu)
    name = new_name(out, "finetune") if name is None else name
    folder = (out / name).absolute()
    record = {"checkpoint": str(checkpoint.absolute()), "data": str(source), "head_only": head_only}
    with unchanged_process():
        host = installed_host()
        if not (folder / RECORD).exists():
            if folder.exists() and any(folder.iterdir()):
                raise UserError(f"run {name}: exists in {folder}; give another name with --name")
            with raised_log_level(logging.WARNING):
                _write_start(host, checkpoint, source, folder, cpu, trust_modules)
            write_json(folder / RECORD, record)
        elif read_json(folder / RECORD, "name another run") != record:
            raise UserError(f"run {name}: is of another checkpoint or other data, see {folder / RECORD}; give a --name")
        files = host.run_files(host.run_dir(folder.parent, name), name)
        arguments = host.finetuning_arguments(folder / "start.pt", files, tuning)
        host.main([*arguments, *(["--quiet"] if quiet else [])])
    return Run(out / name)


def _write_start(
    host: Host, checkpoint: Path, data: Path, folder: Path, cpu: bool, trust_modules: Sequence[str]
) -> None:
    """Write ``start.pt``: the weights of a checkpoint in the form of the host, with references of the new labels."""
    from ocp_dc.checkpoints.convert import convert_checkpoint
    from ocp_dc.data.structures import open_structures
    from ocp_dc.evaluation.reference_shift import fitted_shift, no_shift
    from ocp_dc.training.checkpoint_origin import host_of_checkpoint

    folder.mkdir(parents=True, exist_ok=True)
    start = folder / "start.pt"
    own = checkpoint
    if host_of_checkpoint(checkpoint) not in (None, host.name):
        own = folder / "converted.pt"
        convert_checkpoint(checkpoint, own)
    try:
        with closing(open_structures(data / "train")) as structures:
            host.write_start(own, start, no_shift(structures), trust_modules)
            shift = fitted_shift(host.predictor(start, cpu, trust_modules), structures)
        host.write_start(own, start, shift, trust_modules)
    finally:
        if own != checkpoint:
            own.unlink(missing_ok=True)
