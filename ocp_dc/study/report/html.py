"""The report as one self-contained HTML page, with its plots inside."""

from __future__ import annotations

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined

from ocp_dc.study.report.content import Content


def render_html(content: Content) -> str:
    """Return the page. Every text is escaped: names come from a user's YAML."""
    environment = Environment(
        loader=PackageLoader("ocp_dc.study.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode("ascii")
    return environment.get_template("page.html").render(content=content, results=content.results)
