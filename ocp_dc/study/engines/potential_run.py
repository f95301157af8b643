"""Make one run of an interatomic potential: fit scale factors, train with fairchem's main, and test at most once."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

from ocp_dc.hosts import Host
from ocp_dc.study.folders import RUN_NAME, RunFolder

VALIDATED = {"energy_mae", "forces_mae"}  # eV, eV/Å


def run(host: Host, folder: RunFolder, cpu: bool) -> dict[str, Any]:
    """Start or continue a run.

    Args:
        host: the host that trains.
        folder: the run's folder, with ``run.json`` and ``config.yml``.
        cpu: use the CPU even if there is a GPU.

    Returns:
        The result: ``status``, ``message`` and, if the run is done, ``test`` or, without a test set, ``validation``.

    Raises:
        UserError: the config asks for something that cannot be done.
    """
    description = folder.description()
    files = host.run_files(folder.path, RUN_NAME)
    diverged = host.studies.train(
        folder.path / "config.yml", RUN_NAME, description["seed"], cpu, fit_scales=description["fits_scales"]
    )
    if diverged is not None:
        result = {"status": "diverged", **diverged._asdict()}
    elif description["test"] is None:
        result = _validation(host, folder, files.validation)
    else:
        result = _test(host, folder, files.best_checkpoint, description["test"], cpu)
    if files.state.is_dir():  # only needed to continue the run
        shutil.rmtree(files.state)
    files.state.unlink(missing_ok=True)
    return result


def _validation(host: Host, folder: RunFolder, path: Path) -> dict[str, Any]:
    """Return the result of a run without a test set: the validation errors of the best weights."""
    from ocp_dc.training.run_lines import best_row

    row = best_row(path, host.studies.primary_metric(folder.config()))
    if row is None or not row.keys() >= VALIDATED:
        return {"status": "diverged", "message": "diverged: no validation has finite errors"}
    return {"status": "done", "message": "", "validation": {key: row[key] for key in sorted(VALIDATED)}}


def _test(host: Host, folder: RunFolder, checkpoint: Path, test: dict[str, Any], cpu: bool) -> dict[str, Any]:
    """Predict the test set with the best checkpoint and return the result."""
    from ocp_dc.data.structures import open_structures
    from ocp_dc.evaluation.metrics import error_metrics
    from ocp_dc.evaluation.predict import predict_labels
    from ocp_dc.evaluation.saved_predictions import save_predictions

    modules = host.studies.trusted_modules(folder.config())  # trusted, because the user wrote the config
    predictor = host.predictor(checkpoint, cpu, modules)
    with closing(open_structures(test["src"])) as source:
        predictions = predict_labels(predictor, source, first_n=test["first_n"], progress=False)
    save_predictions(predictions, folder.path / "predictions.npz")
    return {"status": "done", "message": "", "test": error_metrics(predictions)}
