"""Read the folder of a study: every planned run, finished or not, for the report."""

from __future__ import annotations

from pathlib import Path

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import read_record
from ocp_dc.study.engines import get_engine
from ocp_dc.study.engines.engine import Engine
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.record import RunRecord, StudyResults


def read_results(out: Path) -> StudyResults:
    """Return the results of a study so far.

    Raises:
        UserError: the folder has no study, or a file in it is damaged.
    """
    path = out / "study.json"
    if not path.is_file():
        raise UserError(f"{out}: has no study.json; expected a folder made by `ocp-dc study run ... --out`")
    try:
        study = read_record(path, "run `ocp-dc study run` again to rewrite it")
        header = {key: study[key] for key in ("title", "question", "baseline", "arms", "data", "budget", "command")}
        folders = [RunFolder(out / "runs" / name) for name in study["runs"]]
        engine = get_engine(study["engine"])
        models, seeds = tuple(study["models"]), tuple(study["seeds"])
    except UserError:
        raise
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not a study ({error!r}); run `ocp-dc study run` again to rewrite it") from error
    for folder in folders:
        folder.check_files(folder.read("result.json") or {})
    records = tuple(_record(engine, folder) for folder in folders)
    found = {key for record in records for key in record.metrics}
    return StudyResults(
        **header,
        models=models,
        seeds=seeds,
        quantities=tuple(q for q in engine.quantities if q.primary or q.key in found),
        curves=engine.curves,
        x=engine.x,
        records=records,
        levels=study.get("levels", {}),  # absent from studies of earlier versions, as are warnings
        warnings=tuple(study.get("warnings", ())),
    )


def _record(engine: Engine, folder: RunFolder) -> RunRecord:
    description = folder.description()
    result, failure = folder.read("result.json"), folder.read("failure.json")
    if result is None:
        status, message = ("unfinished", "") if failure is None else ("failed", failure["message"])
    else:
        status, message = result["status"], result["message"]
    columns = engine.columns(folder)
    keys = {quantity.key for quantity in engine.quantities}
    metrics = {k: v for k, v in (result or {}).get("test", {}).items() if k in keys and v is not None}
    return RunRecord(
        **{key: description[key] for key in ("id", "model", "data", "arm", "seed")},
        status=status,
        message=message,
        folder=folder.path,
        metrics={**metrics, **(engine.training_quantities(columns) if status == "done" else {})},
        curves={q.key: columns[q.key] for q in engine.curves if q.key in columns},
        initial_weights=(RunFolder(folder.results).read("initial_weights.json") or {}).get("parameters"),
    )
