from __future__ import annotations

import base64
import csv
import io
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from ocp_dc.core.errors import UserError
from ocp_dc.study.report import print_report, write_report
from ocp_dc.study.report.markdown import escaped

from tests.helpers.studies import run, runs, study

HOSTILE = '<script>alert("1")</script> | [bold]x[/bold] `$a_b$`'


def example(arm="irelu"):
    curves = {"epoch": [1, 2], "energy_mae": [0.2, 0.1], "forces_mae": [0.3, 0.2], "train_loss": [2.0, 1.0]}
    stock = runs("stock", [0.010, 0.012, 0.014], [0.05, 0.06, 0.07], curves=curves)
    other = runs(arm, [0.008, 0.009, "diverged: diverged at step 9: NaN"], [0.04, 0.05, 0.06], curves=curves)
    return study(stock, other)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of one report, for the tests that only read it."""
    out = tmp_path_factory.mktemp("report")
    write_report(example(), out)
    return out


class Page(HTMLParser):
    """The texts of a page, its tags, and whatever it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_data(self, data):
        self.text += data


def rows_of(path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def printed(results, width=80) -> str:
    file = io.StringIO()
    print_report(results, Console(file=file, width=width, force_terminal=False))
    return file.getvalue()


def test_all_files_are_written(tmp_path):
    paths = write_report(example(), tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in paths]
    kinds = ("errors", "curves", "tradeoff")
    plots = [f"plots/schnet-ethanol-{kind}.png" for kind in kinds]
    assert names == ["table.csv", "runs.csv", *plots, "report.md", "report.html"]
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(paths)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths if path.suffix == ".png")
    rows = rows_of(tmp_path / "table.csv")
    assert [row["arm"] for row in rows] == ["stock", "irelu"]
    assert rows[1]["diverged"] == "1"
    assert len(rows_of(tmp_path / "runs.csv")) == 6


def test_the_page_needs_nothing_else(written):
    text = (written / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.sources) == 3
    first = page.sources[0].removeprefix("data:image/png;base64,")
    assert base64.b64decode(first) == (written / "plots" / "schnet-ethanol-errors.png").read_bytes()
    assert not re.search(r"https?://|url\(|@import", text)
    order = [
        "Activations in SchNet",
        "Does IReLU",
        "Verdict",
        "Errors",
        "Plots",
        "Other errors",
        "Equal terms",
        "Again",
    ]
    places = [page.text.rindex(part) for part in order]
    assert places == sorted(places)
    assert "Diverged with 1 of 3 seeds: at step 9 (seed 2)." in page.text
    assert "ocp-dc study run study.yml --out out" in page.text


def test_markdown_refers_to_the_plots_beside_it(written):
    text = (written / "report.md").read_text(encoding="utf-8")
    links = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert len(links) == 3
    assert all((written / link).is_file() for link in links)
    assert "| irelu | 2 of 3<br>1 diverged | 8.50 ± 0.71 | 45.0 ± 7.1 |" in text
    assert "* **irelu**: Diverged with 1 of 3 seeds: at step 9 (seed 2). Energy MAE" in text


def test_names_are_texts_everywhere(tmp_path):
    results = example(HOSTILE)
    write_report(results, tmp_path)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert HOSTILE in page.text
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<script>" not in text.replace("\\<script\\>", "")
    rows = [re.sub(r"\\.", "", line) for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows if "ethanol" not in line}) <= 2  # as many cells in each row of a table
    assert HOSTILE in printed(results, width=400)


def test_warnings_are_in_every_form(tmp_path):
    warning = f"schnet on ethanol, arm {HOSTILE}: too short"
    results = study(runs("stock", [0.01, 0.02]), runs(HOSTILE, [0.02, 0.03]), warnings=[warning])
    write_report(results, tmp_path)
    assert warning in Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert f"* **Warning**: {escaped(warning)}" in (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()
    assert f"Warning: {warning}" in printed(results, width=400)


def test_markdown_is_escaped_onto_one_line():
    assert escaped("a|b\n# c_d <e>") == r"a\|b \# c\_d \<e\>"


def test_an_earlier_report_is_replaced(tmp_path):
    write_report(example(), tmp_path)
    mine = tmp_path / "plots" / "mine.png"
    mine.touch()
    bare = study(runs("stock", ["unfinished"]), runs("irelu", ["unfinished"]))
    paths = [*write_report(bare, tmp_path), mine]
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(paths)
    assert not (tmp_path / "plots" / "schnet-ethanol-curves.png").exists()
    assert "Nothing has finished: no verdict." in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_report_that_fails_leaves_the_earlier_one(tmp_path):
    paths = write_report(example(), tmp_path)
    before = {path: path.read_bytes() for path in paths}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "predictions.npz").write_bytes(b"damaged")
    with pytest.raises(UserError, match="not an npz file"):
        write_report(study([run("stock", folder=tmp_path / "run")]), tmp_path)
    assert {path: path.read_bytes() for path in paths} == before


def test_the_same_study_gives_the_same_files(tmp_path):
    first, second = (write_report(example(), tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_each_model_and_data_set_has_files_of_its_own(tmp_path):
    arms = [runs("stock", [0.1, 0.2], model=model) for model in ("a/b", "a b", "../..")]
    names = [path.name for path in write_report(study(*arms), tmp_path) if path.suffix == ".png"]
    assert names == ["a-b-ethanol-0-errors.png", "a-b-ethanol-1-errors.png", "ethanol-errors.png"]


def test_mistakes_are_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="got a file, expected a folder"):
        write_report(example(), tmp_path / "file")
    with pytest.raises(UserError, match="got a study without runs"):
        write_report(study(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_terminal_report_fits(width):
    text = printed(example(), width)
    assert max(map(len, text.splitlines())) <= width
    joined = " ".join(text.split())
    assert "Baseline: stock. Budget: 30 epochs. 6 runs: 5 done, 1 diverged." in joined
    assert "irelu: Diverged with 1 of 3 seeds: at step 9 (seed 2)." in joined
    for number in ("12.0 ± 2.0", "0.277 ± 0.046", "60 ± 10"):
        assert number in text


def test_energy_and_forces_stand_side_by_side_at_80():
    line = next(line for line in printed(example()).splitlines() if line.strip().startswith("stock"))
    assert "12.0 ± 2.0" in line
    assert "60 ± 10" in line
