"""The live view: what runs now and for how long, what is done and what remains, one line for each result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TextIO

from rich.console import Console as RichConsole
from rich.console import Group
from rich.live import Live
from rich.text import Text

from rootstream.events import (
    CacheTransfer,
    Checked,
    Console,
    Done,
    ElementFinished,
    ElementRunning,
    ElementStarted,
    Event,
    Notice,
    Phase,
    Plan,
    Step,
    Transfer,
)
from rootstream.formats.units import duration
from rootstream.host.escape import console, escaped
from rootstream.progress.words import LONG, exchanged, sentence, transferred

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
SPIN = 10.0  # frames a second
PATIENCE = 0.3  # seconds that an action runs before it is shown
BAR = 20  # columns


@dataclass(slots=True)
class _Running:
    since: float
    transfer: Transfer | None = None
    phase: str = ""


class Terminal:
    """Reports on a terminal; a context manager, since the live part has to be taken away again."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stream = stream
        self._console = RichConsole(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=False)
        self._running: dict[tuple[str, str], _Running] = {}
        self._plan: Plan | None = None
        self._planned = 0.0
        self._built = 0
        self._failed = 0
        self._exchange: dict[tuple[str, str], str] = {}
        self._step: tuple[str, float] | None = None
        self._begun = clock()
        self._midline = False
        self._live = Live(get_renderable=self.view, console=self._console, transient=True, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        self._end_line()

    def __call__(self, event: Event) -> None:
        """Take an event into the view and print its line, if it has one."""
        if isinstance(event, Console):
            self._pass_on(console(event.text))
            return
        self._end_line()
        if not self._live.is_started:
            self._live.start()
        self._follow(event)
        if isinstance(event, (Step, Transfer, CacheTransfer, ElementStarted, ElementRunning, Phase)):
            return
        text = sentence(event)
        if text is not None:
            self._console.print(Text(text, style=_style(event), overflow="fold"))

    def _follow(self, event: Event) -> None:
        match event:
            case Step():
                self._step = (escaped(event.text), self._clock())
                self._plan = None if event.name == "boot" else self._plan  # what was to be built is there
            case Plan():
                self._plan, self._planned = event, self._clock()
                self._built = self._failed = 0
                self._step = None
            case ElementStarted():
                self._step = None
                self._running[event.element, event.action] = _Running(self._clock())
            case Phase() | Transfer():
                self._go_on(event)
            case CacheTransfer():
                self._exchange[event.server, event.direction] = exchanged(event)
            case ElementFinished():
                self._running.pop((event.element, event.action), None)
                if event.result == "failure":
                    self._failed += 1
                elif event.action in {"build", "install", "pull"} and event.result == "success":
                    self._built += 1
            case Done():
                self._step = None
                self._plan = None
            case _:
                pass

    def _go_on(self, event: Phase | Transfer) -> None:
        actions = ("build", "install") if isinstance(event, Phase) else ("fetch", "track")
        running = next(
            (job for (name, action), job in self._running.items() if name == event.element and action in actions),
            None,
        )
        if running is not None and isinstance(event, Phase):
            running.phase = escaped(event.text)
        elif running is not None and isinstance(event, Transfer):
            running.transfer = event

    def view(self) -> Group:
        """Return the live part: the running actions that fit, and one line on the whole."""
        now = self._clock()
        room = max(1, self._console.size.height - 3)
        shown = [(at, job) for at, job in self._running.items() if now - job.since >= PATIENCE]
        lines = [self._job_line(at, job, now) for at, job in shown[:room]]
        if len(shown) > room:
            lines.append(Text(f"  and {len(shown) - room} more", style="dim", no_wrap=True))
        acting = {action for _, action in self._running}
        for (_, direction), text in self._exchange.items():
            if direction in acting:
                lines.append(Text(f"{_frame(now)} {direction} {escaped(text)}", no_wrap=True, style="dim"))
        if self._step is not None:
            text, since = self._step
            lines.append(Text(f"{_frame(now)} {text} {_since(now, since)}", no_wrap=True, overflow="ellipsis"))
        if self._plan is not None:
            lines.append(self._plan_line(self._plan, now))
        return Group(*lines)

    def _job_line(self, at: tuple[str, str], job: _Running, now: float) -> Text:
        element, action = at
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{_frame(now)} ", style="cyan")
        line.append(f"{action} ", style="dim")
        line.append(escaped(element), style="bold")
        line.append(f" {_since(now, job.since)}")
        if job.phase:
            line.append(f"  {job.phase}", style="dim")
        if job.transfer is not None:
            line.append(f"  {transferred(job.transfer)}", style="dim")
        return line

    def _plan_line(self, plan: Plan, now: float) -> Text:
        line = Text(no_wrap=True, overflow="ellipsis")
        of = plan.to_build + plan.to_pull
        done = min(self._built, of)
        if of:
            filled = BAR * done // of
            line.append("━" * filled, style="green")
            line.append("━" * (BAR - filled), style="bright_black")
            line.append(f" {done} of {of} {'built or pulled' if plan.to_pull else 'built'}")
        parts = [f"{plan.cached} cached"] if plan.cached else []
        parts += [f"{self._failed} failed"] if self._failed else []
        parts.append(duration(now - self._begun))
        left = plan.seconds - (now - self._planned)
        if plan.seconds >= LONG and left > 0:
            parts.append(f"about {duration(left)} left")
        line.append((", " if of else "") + ", ".join(parts), style="dim")
        return line

    def _pass_on(self, text: str) -> None:
        """Write a machine's console as it comes; the live part would tear it."""
        if self._live.is_started:
            self._live.stop()
        self._stream.write(text)
        self._stream.flush()
        self._midline = not text.endswith("\n") if text else self._midline

    def _end_line(self) -> None:
        if self._midline:
            self._stream.write("\n")
            self._midline = False


def _frame(now: float) -> str:
    return FRAMES[int(now * SPIN) % len(FRAMES)]


def _since(now: float, since: float) -> str:
    elapsed = now - since
    return duration(float(int(elapsed))) if elapsed >= 10 else f"{int(elapsed)} s"  # noqa: PLR2004


def _style(event: Event) -> str:
    match event:
        case ElementFinished(result="failure") | Checked(passed=False) | Notice(level="error"):
            return "red"
        case ElementFinished() | Checked() | Done():
            return "green"
        case Notice(level="warning"):
            return "yellow"
        case _:
            return ""
