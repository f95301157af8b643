"""The documentation and the habits around the code agree with the code and with each other."""

from __future__ import annotations

import configparser
import importlib
import re
from pathlib import Path

import pytest
import yaml

import ocp_dc

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if "studies" not in p.relative_to(DOCS).parts)]
BRITISH = (
    r"(?i)\b(cent(re[sd]?|ring)|neighbours?|neighbouring|colou?rs?(?<!color)(?<!colors)|labell(ed|ing)|licences?"
    r"|behaviours?|learnt|normalis\w+|optimis\w+|initialis\w+|modell(ed|ing)|grey)\b"
)
PRIVATE = r"/work/|/tmp/|/opt/|/root/|pypi|--index-url|extra-index|find-links"


def pins() -> dict[str, set[str]]:
    """Return the versions of each package in requirements/dev.txt."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements/dev.txt").read_text(), re.MULTILINE
    ):
        found.setdefault(name, set()).add(version)
    return found


def nav(entries: list) -> list[str]:
    """Return the pages of a nav of mkdocs, in order."""
    pages: list[str] = []
    for entry in entries:
        for target in entry.values():
            pages += nav(target) if isinstance(target, list) else [target]
    return pages


def test_the_readme_is_read_in_five_minutes():
    lines = PAGES[0].read_text(encoding="utf-8").splitlines()
    assert 90 <= len(lines) <= 120
    assert "ocp_dc is a plugin for [fairchem]" in lines[2]


def test_every_page_is_in_the_nav_once():
    pages = nav(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert sorted(pages) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_american_spelling_outside_of_tables(page):
    prose = [line for line in page.read_text(encoding="utf-8").splitlines() if not line.startswith("|")]
    found = [(line, match[0]) for line in prose for match in re.finditer(BRITISH, line) if f'"{match[0]}"' not in line]
    assert found == []


def test_spelling_is_recognized():
    for word in ("centred", "Centring", "neighbour", "colour", "labelled", "licence", "learnt"):
        assert re.search(BRITISH, f"is {word}."), word
    for word in ("center", "neighbor", "color", "colors", "labeled", "license", "learned"):
        assert not re.search(BRITISH, f"is {word}."), word


def test_api_pages_name_what_there_is():
    names = [name for page in (DOCS / "api").glob("*.md") for name in re.findall(r"^::: (\S+)", page.read_text(), re.M)]
    assert len(names) > 8
    for name in names:
        parts = name.split(".")
        if parts[1] == "fairchem2":  # cannot be imported here; mkdocstrings reads the files, too
            module, inside = ROOT.joinpath(*parts).with_suffix(".py"), ROOT.joinpath(*parts[:-1]).with_suffix(".py")
            assert module.is_file() or re.search(rf"^(def|class) {parts[-1]}\b", inside.read_text(), re.M), name
            continue
        for length in range(len(parts), 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:length]))
            except ModuleNotFoundError:
                continue
            for attribute in parts[length:]:
                found = getattr(found, attribute)
            break
        else:
            pytest.fail(name)


def test_hooks_have_the_versions_of_the_environment():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    asked = [text for hook in hooks for text in hook.get("additional_dependencies", [])]
    assert {text.partition("==")[0] for text in asked} >= {"ruff", "codespell", "pymarkdownlnt", "yamllint"}
    for text in asked:
        name, _, version = text.partition("==")
        assert pins()[name] == {version}, text


def test_the_environment_has_what_the_inputs_ask_for():
    asked = re.findall(r"^([\w.-]+)", (ROOT / "requirements/dev.in").read_text(), re.MULTILINE)
    assert {name.lower() for name in asked} <= set(pins())


def test_workflows_run_targets_on_the_supported_versions():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    makefile = (ROOT / "Makefile").read_text()
    steps = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    targets = [target for text in steps for target in re.findall(r"^make ([\w-]+)", text, re.MULTILINE)]
    assert {"check", "test-fairchem1", "test-fairchem2", "coverage", "wheel", "docs"} == set(targets)
    assert all(f"\n{target}:" in makefile for target in targets)
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["options"]["python_requires"] == ">=3.10,<3.15"
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.10", "3.11", "3.12"]
    assert jobs["test-fairchem2"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]


def test_the_quick_tests_exist():
    quick = re.search(r"^QUICK := ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert quick is not None
    paths = quick[1].replace("\\\n", " ").split()
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_citation_and_changelog_know_the_version():
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]) == ocp_dc.__version__
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert ocp_dc.__version__ in text
    headings = re.findall(r"^### (\w+)$", text, re.MULTILINE)
    assert set(headings) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert re.findall(r"^## (.*)$", text, re.MULTILINE)[0] == "[Unreleased]"


def test_nothing_private_is_written_down():
    files = [*PAGES, *(ROOT / "requirements").iterdir(), *(ROOT / ".github").rglob("*.*"), ROOT / "Makefile"]
    files += [ROOT / name for name in ("mkdocs.yml", ".pre-commit-config.yaml", "pyproject.toml", "CHANGELOG.md")]
    for path in files:
        if path.is_file():
            assert re.findall(PRIVATE, path.read_text(encoding="utf-8")) == [], path
