"""Execute the notebook of the docs in an empty folder, and write its outputs and its page: ``make notebook``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

NOTEBOOK = Path(__file__).with_name("first-potential.ipynb")


def execute(notebook: nbformat.NotebookNode) -> None:
    """Execute a notebook; progress bars and other texts of the error stream are left out."""
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
    notebook.metadata["language_info"] = {"name": "python"}


def export(notebook: nbformat.NotebookNode) -> None:
    """Write the page of a notebook, and its images beside it."""
    page, resources = MarkdownExporter().from_notebook_node(notebook, {"output_files_dir": NOTEBOOK.stem})
    NOTEBOOK.with_suffix(".md").write_text(page.strip() + "\n", encoding="utf-8")
    for name, content in resources["outputs"].items():
        path = NOTEBOOK.parent / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    content = nbformat.read(NOTEBOOK, as_version=4)
    execute(content)
    nbformat.write(content, NOTEBOOK)
    export(content)
