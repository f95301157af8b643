"""Train a finished run for more epochs."""

from __future__ import annotations

from pathlib import Path

from ocp_dc.api.process_state import unchanged_process
from ocp_dc.api.run import Run
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import read_json, write_json
from ocp_dc.core.numbers import Number, whole_number
from ocp_dc.training.run_files import RunFiles, find_run, with_name

RECORD = "extension.json"


def extend(
    run: Run | str | Path,
    epochs: int,
    *,
    name: str | None = None,
    peak: float = 0.3,
    cpu: bool = False,
    quiet: bool = False,
) -> Run:
    """Train a finished run for more epochs, as a new run beside it, and return that.

    Weights, their average, the moments of the optimizer, the rows of ``validation.csv`` and the best checkpoint are
    taken over; the best checkpoint is replaced only by a better one. The learning rate rises during the first tenth of
    the new epochs, and falls along a cosine to almost zero. A rate that was constant, or follows the validations, goes
    on as it is. The same call resumes an extended run that was interrupted.

    Args:
        run: the run, its folder or its name.
        epochs: the number of epochs to add.
        name: the name of the new run; None for ``NAME-extended``.
        peak: the highest learning rate, as a fraction of the highest rate of the run.
        cpu: use the CPU even if there is a GPU.
        quiet: whether to show only warnings; the log file has everything.

    Raises:
        ocp_dc.core.errors.UserError: there is no such run, it is not finished, or another run has the name.
        ocp_dc.core.errors.DivergenceError: a loss or a gradient is not finite.
    """
    from ocp_dc.hosts import check_installed, installed_host  # fairchem takes seconds to import

    whole_number("epochs", epochs)
    Number(0, 1, above=True, nullable=False).check(peak, "peak")
    before = run.files if isinstance(run, Run) else find_run(run)
    check_installed(before.host, f"run {before.name}")
    extended = with_name(before, name or f"{before.name}-extended")
    record = {"run": before.name, "epochs": epochs, "peak": peak}
    _check_free(extended, record)
    with unchanged_process():
        host = installed_host()
        arguments = host.extension_arguments(before, extended, epochs, peak, cpu)
        write_json(extended.validation.with_name(RECORD), record)
        host.main([*arguments, *(["--quiet"] if quiet else [])])
    return Run(extended.folder)


def _check_free(extended: RunFiles, record: dict[str, object]) -> None:
    """Check that a run of this name is new, or the same extension, which resumes."""
    place = extended.validation.parent
    if not place.exists():
        return
    if not (place / RECORD).is_file() or read_json(place / RECORD, "name another run") != record:
        raise UserError(f"run {extended.name}: exists in {place}; give another name with --name")
