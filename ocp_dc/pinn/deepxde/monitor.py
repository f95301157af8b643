"""The callback for DeepXDE's training loop: it calls listeners, writes checkpoints, and stops training."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ocp_dc.core import row_table
from ocp_dc.core.errors import UserError
from ocp_dc.pinn.deepxde.backend import dde
from ocp_dc.pinn.deepxde.checkpoint import Checkpoint
from ocp_dc.pinn.deepxde.setup import Setup
from ocp_dc.pinn.folder import Folder
from ocp_dc.pinn.options import PinnOptions
from ocp_dc.training.best_weights import BestWeights
from ocp_dc.training.finite_checks import LossCheck, RunPosition, check_values
from ocp_dc.training.listeners import Listener, Listeners, Metrics
from ocp_dc.training.random_states import get_torch_states, set_torch_states
from ocp_dc.training.state import TrainingState
from ocp_dc.training.step_clock import StepClock

ADVICE = "Lower optim.lr, lower the weight of this term in loss_weights, or use a smaller activation coefficient"
TOTAL = "total"  # the weighted sum of the loss terms, the criterion for the best weights

VANISHING = 1e-12  # limit of the outputs; with tanh they start near 0.1


class LossRows(Listener):
    """Write a row of losses.csv at each report; in a resumed run, first drop the rows after its checkpoint.

    Args:
        path: the file.
        scale: the constant C of label rescaling, a number.
        clock: the clock of the iterations.
    """

    def __init__(self, path: Path, scale: float, clock: StepClock) -> None:
        self._path, self._scale, self._clock = path, scale, clock

    def start(self, state: TrainingState) -> None:
        """Drop the rows after the checkpoint, or all rows if there is no checkpoint."""
        if state.step:
            row_table.cut_after(self._path, state.step)
        else:
            self._path.unlink(missing_ok=True)

    def validation(self, state: TrainingState, metrics: Metrics | None) -> None:
        """Write a row."""
        seconds = self._clock.seconds_per_step()
        row: dict[str, object] = {"iteration": state.step, **(metrics or {})}
        row |= {"lr": state.learning_rate, "scale": self._scale}
        row_table.add_row(self._path, {**row, "seconds_per_iteration": "" if seconds is None else seconds})


class Monitor(dde.callbacks.Callback):
    """Call the listeners, write checkpoints, and stop at values that are not finite or at Ctrl-C.

    DeepXDE evaluates all losses before its first update and every ``report_every`` updates. A resumed run restores its
    state after the first evaluation, so that this evaluation does not affect random states and batch statistics.

    Args:
        setup: the parts of the training run.
        options: the options; only ``report_every``, ``checkpoint_every`` and ``optim.iterations`` are used.
        folder: the folder for the files.
        checkpoint: the checkpoint to resume from, None for a new training run.
        stop: returns whether to stop after this update.
        progress: show a progress bar on a terminal.
    """

    def __init__(
        self,
        setup: Setup,
        options: PinnOptions,
        folder: Folder,
        checkpoint: Checkpoint | None,
        stop: Callable[[], bool],
        progress: bool = True,
    ) -> None:
        super().__init__()
        self.stopped = False
        self.best = BestWeights()
        self.state = TrainingState(model=setup.net, optimizer=setup.model.opt, primary_metric=TOTAL)
        self._setup, self._options, self._folder, self._stop = setup, options, folder, stop
        self._checkpoint = checkpoint
        self._device = next(setup.net.parameters()).device
        self._clock = StepClock(self._device)
        self._listeners = Listeners(
            [
                LossCheck(folder.checkpoint, ADVICE),
                LossRows(folder.losses, setup.task.scale, self._clock),
                self.best,
                self._clock,
            ]
        )
        self._fingerprint = setup.fingerprint
        self._bar = tqdm(
            total=options.optim.iterations, desc=options.task, unit="it", disable=None if progress else True
        )

    @property
    def iteration(self) -> int:
        """The number of updates so far."""
        return int(self.model.train_state.step)

    def close(self) -> None:
        """Close the progress bar."""
        self._bar.close()

    def on_train_begin(self) -> None:
        """Restore the state of a resumed run, or check and report the start of a new one."""
        if self._checkpoint is None:
            self._listeners.start(self.state)
            check_values(self._setup.losses.values(), RunPosition(self.iteration, self._folder.checkpoint, ADVICE))
            self._check_start(float(np.abs(self.model.train_state.y_pred_train).max()))
            self._report()
            return
        try:
            self._restore(self._checkpoint)
        except (RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{self._folder.checkpoint}: does not fit its config ({error}); is it damaged?") from error
        self._listeners.start(self.state)
        self._bar.update(self.iteration)

    def on_epoch_end(self) -> None:
        """Check the losses; report and save if they are due at this iteration."""
        self.state.step = self.iteration
        self._listeners.step(self.state, self._setup.losses.values())
        last = self.iteration == self._options.optim.iterations
        if last or self.iteration % self._options.report_every == 0:
            self._report()
        self._bar.update()
        self.stopped = self._stop() and not last
        if last or self.stopped or self.iteration % self._options.checkpoint_every == 0:
            with self._clock.paused():
                self.snapshot().save(self._folder.checkpoint)
        if self.stopped:
            self.model.stop_training = True

    def on_train_end(self) -> None:
        """Call the listeners if the last iteration was reached."""
        if self.iteration == self._options.optim.iterations:
            self._listeners.end(self.state)

    def snapshot(self) -> Checkpoint:
        """Return a checkpoint of the current state."""
        rng, cuda_rng = get_torch_states(self._device)
        best_loss = self.state.best_metric
        return Checkpoint(
            iteration=self.iteration,
            net=copy.deepcopy(self._setup.net.state_dict()),
            optimizer=copy.deepcopy(self.model.opt.state_dict()),
            rng=rng,
            cuda_rng=cuda_rng,
            best_net=self.best.weights,
            best_loss=float("inf") if best_loss is None else best_loss,
            best_iteration=self.best.step_of_best,
            fingerprint=self._fingerprint,
        )

    def _restore(self, saved: Checkpoint) -> None:
        """Restore the state of a checkpoint."""
        self._setup.net.load_state_dict(saved.net)
        self.model.opt.load_state_dict(saved.optimizer)
        self.model.train_state.step = self.model.train_state.iteration = saved.iteration
        set_torch_states(saved.rng, saved.cuda_rng, self._device)
        self.state.step, self.state.best_metric = saved.iteration, saved.best_loss
        self.best.weights, self.best.step_of_best = saved.best_net, saved.best_iteration

    def _check_start(self, largest: float) -> None:
        """Check that the initial network has gradients, and warn if they are too small to learn from.

        Args:
            largest: the largest absolute output over all points.

        Raises:
            UserError: the final ReLU is 0 everywhere.
        """
        seed = self._options.seed
        if largest == 0 and self._setup.net.final is not None:
            raise UserError(
                f"with seed {seed} the ReLU that ends the network is 0 at every point, so that no gradient passes it "
                f"and nothing can be learned: use another seed, such as --seed {seed + 1}"
            )
        if largest < VANISHING:
            logging.warning(
                f"the network starts with outputs of {largest:.0e} at most, too small to learn from: powers in many "
                "layers. Give dc.region fewer activations (output is the last one), or raise dc.activation.coefficient"
            )

    def _report(self) -> None:
        """Report the losses of this iteration to the listeners as a validation; there is no validation set."""
        losses = self._setup.losses
        total = losses.total()
        with self._clock.paused():
            self.state.take_metric(total)
            self._listeners.validation(self.state, {**losses.values(), TOTAL: total})
        self._bar.set_postfix_str(f"loss {total:.3g}", refresh=False)
