"""The report of a study: statistics in pairs of seeds, a verdict in plain words, tables, plots and pages."""

from ocp_dc.study.report.write import print_report, write_report

__all__ = ["print_report", "write_report"]
