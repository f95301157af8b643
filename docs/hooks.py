"""A hook of mkdocs: references in the docstrings of the API pages."""

from __future__ import annotations

import re

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):(<code>)~?")


def on_page_content(html: str, **_: object) -> str:
    """Return a page without the roles of reStructuredText, which Markdown shows as text: ``:func:`` and the like."""
    return ROLE.sub(r"\1", html)
