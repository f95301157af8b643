"""Read the folder of a study: every planned run, finished or not, for the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ocp_dc.core.digests import text_digest
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
    digests = _initial_weights(folders)
    records = tuple(_record(engine, folder, digests.get(folder.path.name)) for folder in folders)
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


def _record(engine: Engine, folder: RunFolder, initial_weights: str | None) -> RunRecord:
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
        initial_weights=initial_weights,
    )


def _initial_weights(folders: Sequence[RunFolder]) -> dict[str, str]:
    """Return a digest of the initial weights of each run, over the parameters that all arms of its group have.

    Arms that remove or insert norms have other parameters than the rest. Equal digests for a seed show that all common
    parameters started with the same values.
    """
    groups: dict[tuple[Any, ...], dict[str, dict[str, str]]] = {}
    for folder in folders:
        record, description = RunFolder(folder.results).read("initial_weights.json"), folder.read("run.json")
        if record is not None and description is not None:
            group = tuple(description[key] for key in ("model", "data", "seed"))
            groups.setdefault(group, {})[folder.path.name] = record["parameters"]
    digests = {}
    for runs in groups.values():
        common = _common(runs.values())
        for name, parameters in runs.items():
            text = json.dumps([(key, parameters[key]) for key in common])
            digests[name] = text_digest(text)[:12]
    return digests


def _common(parameters: Iterable[Mapping[str, str]]) -> list[str]:
    return sorted(set.intersection(*(set(names) for names in parameters)))
