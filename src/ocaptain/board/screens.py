"""What opens over the board: a ship's log, the keys, a question."""

from datetime import datetime
from typing import ClassVar, TypeVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, RichLog, Static

from ocaptain.errors import Failure
from ocaptain.fleet.logs import query_of, read_logs
from ocaptain.fleet.voyage import Voyage
from ocaptain.onboard.loglines import kind_of
from ocaptain.times import clock

from .rows import LINE_STYLES, cell

Result = TypeVar("Result")

KEYS = """\
 tab       from ships to tasks and back (also 1, 2)
 ↑ ↓       move; also j, k, page up and down, g, G
 enter     the log of the ship, or of the task
 h         hail: tell the agent of the ship something
 H         tell it to the agents of all ships
 p         pause the voyage, or resume it
 r         bring back the task that has failed, or verify
 q         leave the board; the voyage goes on
 ?         this

What needs you stands first: broken, lost and limited ships, failed tasks.
The estimate is what tasks took so far, spread over the ships at work.
"""
TAIL = 1_000
"""How many lines of a log are shown from before now."""


class Over(ModalScreen[Result]):
    """A box over the board, that is left once: a second key may come before it has gone."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    def leave(self, result: Result | None = None) -> None:
        """Go back to the board."""
        if self.is_current:
            self.dismiss(result)

    def action_leave(self) -> None:
        """Go back to the board, with nothing to do."""
        self.leave()


class Help(Over[None]):
    """The keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,question_mark,enter", "leave", show=False),
    ]

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(Text(KEYS), classes="box")


class Question(Over[str]):
    """Asks for a line. What comes of it is the line, or None if nothing was to be done."""

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """Lay it out."""
        hint = "enter sends it, escape does not"
        yield Static(Text(f"{self._question}\n{hint}"), classes="box")
        yield Input(classes="box")

    def on_input_submitted(self, line: Input.Submitted) -> None:
        """Take the line."""
        self.leave(line.value.strip() or None)


class Choice(Over[bool]):
    """Asks whether something is to be done: y for yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "agree", show=False),
        Binding("n,q", "leave", show=False),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(Text(f"{self._question}\n\ny: yes    n: no"), classes="box")

    def action_agree(self) -> None:
        """Have it done."""
        self.leave(True)


class Log(Screen[None]):
    """The log of one ship, or what all ships said of one task, as it grows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave", show=False),
        Binding("j", "down", show=False),
        Binding("k", "up", show=False),
        Binding("g", "top", show=False),
        Binding("G", "bottom", show=False),
    ]

    def __init__(self, voyage: Voyage, title: Text, *, ship: str = "", task: str = "") -> None:
        super().__init__()
        self._voyage = voyage
        self._title = title
        self._query = query_of(ship=ship, task=task, tail=TAIL, follow=True)

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield Static(self._title, id="title")
        yield RichLog(wrap=True, markup=False, max_lines=10 * TAIL)
        yield Static(Text("↑↓ move  G the end  q back to the board", "dim"), id="keys")

    def on_mount(self) -> None:
        """Begin to read."""
        self.run_worker(self._read(), exclusive=True)

    async def _read(self) -> None:
        try:
            await read_logs(self._voyage, self._query, self._show)
        except Failure as fault:
            self._log().write(cell(str(fault), "red"))

    def _show(self, line: str) -> None:
        log = self._log()
        log.write(log_line(line), scroll_end=log.is_vertical_scroll_end)

    def _log(self) -> RichLog:
        return self.query_one(RichLog)

    def action_leave(self) -> None:
        """Go back to the board; the log is read no more."""
        if self.is_current:
            self.dismiss()

    def action_down(self) -> None:
        """Scroll a line down."""
        self._log().scroll_down()

    def action_up(self) -> None:
        """Scroll a line up."""
        self._log().scroll_up()

    def action_top(self) -> None:
        """Go to the beginning."""
        self._log().scroll_home()

    def action_bottom(self) -> None:
        """Go to the end, and stay there as it grows."""
        self._log().scroll_end()


def log_line(line: str) -> Text:
    """Return a line `time ship text` as it is shown, coloured by what kind it is."""
    time, _, rest = line.partition(" ")
    ship, _, text = rest.partition(" ")
    shown = cell(f"{local(time)} {ship}", "dim")
    shown.append(" ")
    shown.append_text(cell(text, LINE_STYLES[kind_of(text)]))
    shown.no_wrap = False
    shown.overflow = "fold"
    return shown


def local(time: str) -> str:
    """Return an RFC 3339 time on this machine's clock; what is none stays as it is."""
    try:
        return clock(datetime.fromisoformat(time).timestamp(), seconds=True)
    except ValueError:
        return time
