"""Run one training with DeepXDE, from a resolved config to test errors."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ocp_dc.core.errors import DivergenceError, UserError
from ocp_dc.core.files import write_record
from ocp_dc.core.interrupts import deferred_sigint
from ocp_dc.core.locks import folder_lock
from ocp_dc.pinn.deepxde.backend import default_device
from ocp_dc.pinn.deepxde.checkpoint import Checkpoint, load_checkpoint
from ocp_dc.pinn.deepxde.fingerprint import same_data
from ocp_dc.pinn.deepxde.monitor import ADVICE, Monitor
from ocp_dc.pinn.deepxde.setup import Setup, set_up
from ocp_dc.pinn.folder import Folder, read_losses
from ocp_dc.pinn.options import PinnOptions
from ocp_dc.pinn.physics.metrics import predict, solution_errors
from ocp_dc.pinn.plots import learning_curves, solution_images
from ocp_dc.training.initial_weights import initial_weights

EVALUATED = "the network in evaluation mode, with the batch statistics of training,"


def check(config: Mapping[str, Any], cpu: bool = False) -> str:
    """See :func:`ocp_dc.pinn.check`."""
    with default_device(cpu):
        return str(set_up(PinnOptions.from_config(config)).report)


def train(config: Mapping[str, Any], out: Path, cpu: bool = False, progress: bool = True) -> dict[str, Any]:
    """See :func:`ocp_dc.pinn.train`; the config must be resolved."""
    options, folder = PinnOptions.from_config(config), Folder(out)
    with folder_lock(folder.path, "another training"), default_device(cpu) as where:
        folder.check(config)
        setup = set_up(options)
        folder.begin(config)
        folder.describe(setup.report.to_dict(), initial_weights(setup.net), where)
        print(setup.report)
        monitor = _train(setup, options, folder, progress)
        if monitor.stopped:
            raise KeyboardInterrupt(f"saved after {monitor.iteration} iterations; the same command resumes")
        folder.save_weights("model.pt", config, monitor.iteration, setup.task.scale, setup.net.state_dict())
        folder.save_weights("best.pt", config, monitor.best.step_of_best, setup.task.scale, monitor.best.weights)
        return _test(setup, options, folder)


def _train(setup: Setup, options: PinnOptions, folder: Folder, progress: bool) -> Monitor:
    checkpoint = load_checkpoint(folder.checkpoint) if folder.checkpoint.is_file() else None
    if checkpoint is not None:
        _check_data(checkpoint, setup, folder)
    done = 0 if checkpoint is None else checkpoint.iteration
    # hide DeepXDE's remarks, for example on corners, which users cannot act on
    with deferred_sigint() as stop, contextlib.redirect_stdout(io.StringIO()):
        monitor = Monitor(setup, options, folder, checkpoint, stop, progress)
        with contextlib.closing(monitor):
            setup.model.train(
                iterations=options.optim.iterations - done,
                display_every=options.report_every,
                callbacks=[monitor],
                verbose=0,
            )
    if monitor.iteration < options.optim.iterations and not monitor.stopped:  # DeepXDE stops if a loss is NaN
        raise DivergenceError(monitor.iteration, EVALUATED, ADVICE)
    return monitor


def _check_data(checkpoint: Checkpoint, setup: Setup, folder: Folder) -> None:
    """Check that a resumed run goes on with the points and values on which it was trained.

    Raises:
        UserError: they are others.
    """
    if checkpoint.fingerprint is None:
        logging.warning(
            "%s: is of an earlier version, so it cannot be checked whether it was trained on the points and values of "
            "this config",
            folder.checkpoint,
        )
    elif not same_data(checkpoint.fingerprint, setup.fingerprint):
        raise UserError(
            f"{folder.checkpoint}: was trained on other points or values than this config gives now, perhaps with "
            "another version of DeepXDE or a data file that has changed; give another --out"
        )


def _test(setup: Setup, options: PinnOptions, folder: Folder) -> dict[str, Any]:
    """Compute the errors of the last weights, draw the plots, and write the errors last."""
    predicted = predict(setup.net, setup.task, setup.solution)
    if not all(np.isfinite(values).all() for values in predicted.values()):
        raise DivergenceError(options.optim.iterations, EVALUATED, ADVICE)
    errors = solution_errors(predicted, setup.solution)
    title = f"{options.task}, {options.optim.iterations} iterations"
    learning_curves(read_losses(folder.path), folder.path / "learning_curves.png", title)
    solution_images(setup.solution, predicted, options.times, folder.path, title)
    record = {
        **errors,
        "losses": evaluated_losses(setup),
        "units": "of the data",
        "weights": "last",
        "iteration": options.optim.iterations,
    }
    write_record(folder.test, record)
    return record


def evaluated_losses(setup: Setup) -> dict[str, float]:
    """Return each loss term of the network in evaluation mode, in the units of the data.

    With batch normalization they differ from those of training: see
    :func:`ocp_dc.pinn.deepxde.collocation.takes_batch_statistics`.
    """
    data = setup.model.data
    setup.model.outputs_losses_test(data.train_x, data.train_y, None)
    return {name: value * setup.task.scale**2 for name, value in setup.losses.values(training=False).items()}
