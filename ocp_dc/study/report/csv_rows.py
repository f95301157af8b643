"""The report's numbers for other programs, in stored units and full precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ocp_dc.core.digests import content_digest
from ocp_dc.study.record import STATUSES, Quantity, StudyResults
from ocp_dc.study.report.groups import Group
from ocp_dc.study.report.statistics import Comparison, is_relative

Row = dict[str, object]


def table_rows(results: StudyResults, groups: Sequence[Group]) -> list[Row]:
    """Return a row for each model, data set and arm; a missing value is an empty cell.

    For each quantity there are its mean and sample standard deviation over the seeds that finished; the ratio to the
    baseline or, for values that may be zero or less, the difference; the ends of its 95 % interval; the p-value, and
    the same corrected for the other comparisons of that model and data set (primary quantities and others apart).
    """
    relative = {q.key: is_relative(results.records, q) for q in results.quantities}
    rows = []
    for group in groups:
        for arm in group.arms.values():
            row: Row = {"model": group.model, "data": group.data, "arm": arm.name, "seeds": len(arm.runs)}
            row |= {status: len(arm.with_status(status)) for status in STATUSES}
            for q in results.quantities:
                values = arm.values(q)
                row[_header(q, "mean")] = arm.mean(q) if values else ""
                row[_header(q, "std")] = float(np.std(values, ddof=1)) if len(values) > 1 else ""
                row |= _comparison(q, arm.against_baseline.get(q.key), relative[q.key])
            rows.append(row)
    return rows


def run_rows(results: StudyResults) -> list[Row]:
    """Return a row for each run, planned ones included."""
    return [
        {
            "run": run.id,
            "model": run.model,
            "data": run.data,
            "arm": run.arm,
            "seed": run.seed,
            "status": run.status,
            "message": run.message,
            **{_header(q): run.metrics.get(q.key, "") for q in results.quantities},
            "validations": max((len(column) for column in run.curves.values()), default=0),
            "initial_weights": content_digest(run.initial_weights)[:12] if run.initial_weights else "",
        }
        for run in results.records
    ]


def _header(quantity: Quantity, statistic: str = "") -> str:
    name = f"{quantity.key}_{statistic}" if statistic else quantity.key
    return f"{name} [{quantity.unit}]" if quantity.unit else name


def _comparison(quantity: Quantity, comparison: Comparison | None, relative: bool) -> Row:
    kind = "ratio" if relative else "difference"
    names = [f"{kind}", f"{kind}_low", f"{kind}_high"]
    headers = [f"{quantity.key}_{name}" if relative else _header(quantity, name) for name in names]
    headers += [f"{quantity.key}_pairs", f"{quantity.key}_p", f"{quantity.key}_p_adjusted"]
    if comparison is None:
        return dict.fromkeys(headers, "")
    c = comparison
    values = (c.change, c.low, c.high, len(c.seeds), c.p, c.p_adjusted)
    return {header: "" if value is None else value for header, value in zip(headers, values, strict=True)}
