"""The report as one self-contained HTML page, with its plots inside."""

from __future__ import annotations

from ocp_dc.pages.html import render_page
from ocp_dc.study.report.content import Content


def render_html(content: Content) -> str:
    """Return the page."""
    return render_page("ocp_dc.study.report", "page.html", {"content": content, "results": content.results})
