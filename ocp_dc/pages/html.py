"""Self-contained HTML pages, with their pictures inside."""

from __future__ import annotations

import base64
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def render_page(package: str, template: str, values: dict[str, Any]) -> str:
    """Return a page. Every text is escaped: names come from a user's files.

    Args:
        package: the package that holds the template, which extends ``base.html``.
        template: its file.
        values: what the template names.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader("ocp_dc.pages", ".")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode("ascii")
    return environment.get_template(template).render(values)
