"""The report of one run: config, curves, errors, worst structures, dynamics and times on one HTML page."""

from ocp_dc.run_report.report import report_run

__all__ = ["report_run"]
