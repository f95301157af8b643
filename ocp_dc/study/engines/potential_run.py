"""Make one run of an interatomic potential: fit scale factors, train with fairchem's main, and test once."""

from __future__ import annotations

from typing import Any

from ocp_dc.study.folders import RUN_NAME, RunFolder


def run(folder: RunFolder, cpu: bool) -> dict[str, Any]:
    """Start or continue a run.

    Args:
        folder: the run's folder, with ``run.json`` and ``config.yml``.
        cpu: use the CPU even if there is a GPU.

    Returns:
        The result: ``status``, ``message`` and, if the run is done, ``test``.

    Raises:
        UserError: the config asks for something that cannot be done.
    """
    description = folder.description()
    result = _train(folder, description, cpu) or _test(folder, description, cpu)
    (folder.checkpoints / "checkpoint.pt").unlink(missing_ok=True)  # only needed to continue the run
    return result


def _train(folder: RunFolder, description: dict[str, Any], cpu: bool) -> dict[str, Any] | None:
    """Train to the end; return None, or the result if the run diverged."""
    from ocp_dc.core.errors import DivergenceError
    from ocp_dc.fairchem1.main import main
    from ocp_dc.fairchem1.train.fit_scales import UnfittableError, fit_config

    config, seed = str(folder.path / "config.yml"), f"--seed={description['seed']}"
    scales = folder.path / "scales.json"
    overrides = [f"--model.scale_file={scales}"] if description["fits_scales"] else []
    try:
        if description["fits_scales"] and not scales.exists():
            fit_config(config, scales, [seed], cpu=cpu)
        flags = ["--mode", "train", "--config-yml", config, seed, *(["--cpu"] if cpu else [])]
        main([*flags, "--run-dir", str(folder.path), "--timestamp-id", RUN_NAME, *overrides])
    except DivergenceError as error:
        return {"status": "diverged", "step": error.step, "message": f"diverged at step {error.step}: {error.what}"}
    except UnfittableError as error:  # features overflow or vanish before the first step
        return {"status": "diverged", "step": 0, "message": f"diverged before the first step: {error}"}
    return None


def _test(folder: RunFolder, description: dict[str, Any], cpu: bool) -> dict[str, Any]:
    """Predict the test set with the best checkpoint and return the result."""
    from ocp_dc.evaluation.metrics import error_metrics
    from ocp_dc.evaluation.saved_predictions import save_predictions
    from ocp_dc.fairchem1.checks.trust import modules_of
    from ocp_dc.fairchem1.infer.evaluate import predict_labels

    test = description["test"]
    best = folder.checkpoints / "best_checkpoint.pt"
    modules = modules_of(folder.config())  # trusted, because the user wrote the config
    predictions = predict_labels(
        best, test["src"], first_n=test["first_n"], cpu=cpu, progress=False, trust_modules=modules
    )
    save_predictions(predictions, folder.path / "predictions.npz")
    return {"status": "done", "message": "", "test": error_metrics(predictions)}
