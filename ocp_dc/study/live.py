"""Show the progress of a study: runs done, the progress of each running one, and the time left."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ocp_dc.study.engines.engine import Engine
from ocp_dc.study.folders import RunFolder

INTERVAL = 1.0  # seconds between two updates


class View:
    """Live view of a study in a terminal; elsewhere, one printed line for each run that ends.

    Args:
        engine: the engine of the runs.
        lengths: the length of each run, by the name of its folder.
        done: the number of runs of the study that were done before.
        console: where to print; the terminal by default.
    """

    def __init__(
        self, engine: Engine, lengths: Mapping[str, int], done: int = 0, console: Console | None = None
    ) -> None:
        self.engine = engine
        self.lengths = lengths
        self.done = self.done_before = done
        self.console = console or Console()
        self.running: list[RunFolder] = []
        self.shares_at_start: dict[str, float] = {}
        self.failed = 0
        self.begin = time.monotonic()
        self._looked = 0.0
        self._live = Live(console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> View:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def add_run(self, folder: RunFolder) -> None:
        """Add a run that has started."""
        self.running.append(folder)
        self.shares_at_start[folder.path.name] = self._share(folder)[0]

    def end_run(self, folder: RunFolder) -> None:
        """Remove a run that has ended, and print how it ended."""
        self.running.remove(folder)
        name = folder.path.name
        result, failure = folder.read("result.json"), folder.read("failure.json")
        if result is None:
            self.failed += failure is not None
            ending = f"failed: {failure['message']}" if failure else "stopped"
        else:
            self.done += 1
            ending = result["message"] or "done"
        count = f"{self.done + self.failed}/{len(self.lengths) + self.done_before}"
        self.console.print(Text(f"[{count}] {name}: {ending}"), soft_wrap=True)

    def refresh(self) -> None:
        """Update the view, if it is shown and ``INTERVAL`` has passed."""
        if self._live.is_started and time.monotonic() - self._looked >= INTERVAL:
            self._looked = time.monotonic()
            self._live.update(self.render(), refresh=True)

    def render(self) -> RenderableType:
        """Return the content of the view."""
        total = len(self.lengths) + self.done_before
        table = Table(box=box.SIMPLE, show_header=True, expand=False)
        for heading in ("running", "", self.engine.x, "training loss"):
            table.add_column(heading, overflow="fold")
        work = self.done - self.done_before + self.failed * 1.0
        for folder in self.running:
            share, loss = self._share(folder)
            work += share - self.shares_at_start[folder.path.name]
            length = self.lengths[folder.path.name]
            bar = ProgressBar(total=1.0, completed=share, width=20)
            table.add_row(folder.path.name, bar, f"{share * length:.3g}/{length}", loss)
        left = len(self.lengths) - work - sum(self.shares_at_start.values())
        elapsed = time.monotonic() - self.begin
        remaining = "" if work < 0.02 else f", about {_duration(elapsed / work * max(left, 0.0))} left"
        failed = f", {self.failed} failed" if self.failed else ""
        head = Text(f"{self.done} of {total} runs done{failed}, {_duration(elapsed)} so far{remaining}", style="bold")
        return Group(head, table)

    def _share(self, folder: RunFolder) -> tuple[float, str]:
        """Return the share of a run that is done, and its last training loss."""
        columns = self.engine.columns(folder)
        if not columns:
            return 0.0, ""
        share = float(columns[self.engine.x][-1]) / self.lengths[folder.path.name]
        return min(share, 1.0), f"{columns['train_loss'][-1]:.4g}"


def _duration(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))
