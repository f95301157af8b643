"""One run of an interatomic potential: scale factors, training by fairchem's main, and one look at the test set."""

from __future__ import annotations

from typing import Any

from ocp_dc.study.folders import RUN_NAME, RunFolder


def run(folder: RunFolder, cpu: bool) -> dict[str, Any]:
    """Make a run, or go on with it.

    Args:
        folder: with ``run.json`` and ``config.yml`` in it.
        cpu: stay on the CPU where there is a GPU.

    Returns:
        the result: ``status``, ``message`` and, of a run that is done, ``test``.

    Raises:
        UserError: what the config asks for cannot be done.
    """
    description = folder.description()
    result = _train(folder, description, cpu) or _test(folder, description, cpu)
    (folder.checkpoints / "checkpoint.pt").unlink(missing_ok=True)  # what only a run that goes on needs
    return result


def _train(folder: RunFolder, description: dict[str, Any], cpu: bool) -> dict[str, Any] | None:
    """Train to the end; return the result of a run that diverged, None else."""
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
    except UnfittableError as error:  # features overflow or die before any step
        return {"status": "diverged", "step": 0, "message": f"diverged before the first step: {error}"}
    return None


def _test(folder: RunFolder, description: dict[str, Any], cpu: bool) -> dict[str, Any]:
    """Predict the test set with the best checkpoint, once, and return the result."""
    from ocp_dc.evaluation.metrics import error_metrics
    from ocp_dc.evaluation.saved_predictions import save_predictions
    from ocp_dc.fairchem1.checks.trust import modules_of
    from ocp_dc.fairchem1.infer.evaluate import predict_labels

    test = description["test"]
    best = folder.checkpoints / "best_checkpoint.pt"
    own = modules_of(folder.config())  # of the user's config
    predictions = predict_labels(best, test["src"], first_n=test["first_n"], cpu=cpu, progress=False, trust_modules=own)
    save_predictions(predictions, folder.path / "predictions.npz")
    return {"status": "done", "message": "", "test": error_metrics(predictions)}
