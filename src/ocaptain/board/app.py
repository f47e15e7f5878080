"""The live board: a voyage's ships and tasks in the terminal, with keys to look and to steer."""

import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar

from rich.console import Group
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.widgets import DataTable, Static
from textual.worker import WorkerFailed

from ocaptain.errors import Failure
from ocaptain.fleet import orders
from ocaptain.fleet.orders import Outcome
from ocaptain.fleet.voyage import Signature, Voyage, sign
from ocaptain.onboard.protocol import ShipStatus, TaskRow
from ocaptain.onboard.text import clean
from ocaptain.terminal import addressees

from . import details, glance, rows
from .screens import Choice, Help, Log, Question
from .table import Table
from .watching import Sight, Watcher

Order = Callable[[Voyage, Signature], Coroutine[Any, Any, Outcome]]

SUCCESS = 0
INTERRUPTED = 130
STYLE = """
* { scrollbar-size-vertical: 1; }
#title, #head, #tabs, #detail, #keys, #asking { height: auto; padding: 0; }
#head { max-height: 9; }
Table { height: 1fr; }
#detail { max-height: 5; margin-top: 1; }
#keys { height: 1; }
RichLog { height: 1fr; }
Help, Question, Choice { align: center middle; }
.box { width: auto; min-width: 40; max-width: 76; height: auto; padding: 0 1; }
.box { border: round ansi_blue; }
Input.box { width: 76; }
"""
KEYS = "tab ships/tasks  ↑↓ move  enter log  h hail  p pause  r retry  ? help  q leave"
PAUSED = ("paused", "halted")


class Board(App[int]):
    """Shows a voyage until somebody leaves. What it returns is the exit status."""

    ENABLE_COMMAND_PALETTE = False
    CSS = STYLE
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "switch", show=False, priority=True),
        Binding("1", "ships", show=False),
        Binding("2", "tasks", show=False),
        Binding("h", "hail_ship", show=False),
        Binding("H", "hail_all", show=False),
        Binding("p", "pause", show=False),
        Binding("r", "retry", show=False),
        Binding("question_mark", "help", show=False),
        Binding("q", "leave", show=False),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
    ]

    def __init__(self, watcher: Watcher) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self.watcher = watcher
        self.voyage = watcher.voyage
        self._ships = Table(rows.SHIP_COLUMNS, "ships")
        self._tasks = Table(rows.TASK_COLUMNS, "tasks")
        self._head = Static(Text(f"{self.voyage.id}  asking its storage …"), id="head")
        self._tabs = Static(id="tabs")
        self._detail = Static(id="detail")
        self._painted_at = 0.0

    @property
    def trouble(self) -> Exception | None:
        """What ended the board, if it was neither a key nor a signal."""
        if isinstance(self._exception, WorkerFailed):
            return self._exception.error if isinstance(self._exception.error, Exception) else None
        return self._exception

    def _fatal_error(self) -> None:
        """Leave without textual's traceback: it shows local variables, and so tokens."""
        self._close_messages_no_wait()

    # What is on the screen

    def compose(self) -> ComposeResult:
        """Lay it out."""
        yield self._head
        yield self._tabs
        yield self._ships
        yield self._tasks
        yield self._detail
        yield Static(Text(KEYS, "dim", no_wrap=True, overflow="ellipsis"), id="keys")

    def on_mount(self) -> None:
        """Begin to look."""
        self._tasks.display = False
        self._ships.focus()
        self.begin_capture_print(self)
        self.run_worker(self._watch())
        self.set_interval(1.0, self._tick)

    async def _watch(self) -> None:
        """Look again and again."""
        while True:
            await self.watcher.look()
            self.paint()
            await self.watcher.rest()

    def _tick(self) -> None:
        """Have ages grow, if nothing was painted for a second."""
        if time.monotonic() - self._painted_at > 0.9:
            self.paint()

    def paint(self) -> None:
        """Show what was seen last; only what is different changes on the screen."""
        sight = self.watcher.sight
        if sight is None:
            return
        self._painted_at = time.monotonic()
        now = self.watcher.clock()
        self._head.update(glance.head(sight, now))
        self._tabs.update(self._counts(sight))
        if self.is_at_tasks:
            self._tasks.show(rows.task_rows(sight.tasks, now))
        else:
            self._ships.show(rows.ship_rows(sight.status["ships"], now))
        self._paint_detail()

    @property
    def is_at_tasks(self) -> bool:
        """Whether tasks are shown, and not ships."""
        return self._tasks.display

    def _counts(self, sight: Sight) -> Group:
        """Return how many there are of each, by state; what is shown below stands out."""
        ships = rows.ship_counts(sight.status["ships"])
        tasks = rows.task_counts(sight.tasks)
        here, other = "bold reverse", "bold"
        return Group(
            Text.assemble(("[1] ships", other if self.is_at_tasks else here), f"  {ships}"),
            Text.assemble(("[2] tasks", here if self.is_at_tasks else other), f"  {tasks}"),
        )

    def _paint_detail(self) -> None:
        now = self.watcher.clock()
        ship = self._ship_here()
        task = self._task_here()
        if self.is_at_tasks and task:
            self._detail.update(details.of_task(task, now))
        elif ship and not self.is_at_tasks:
            self._detail.update(details.of_ship(ship))
        else:
            self._detail.update(Text("nothing here"))

    def on_data_table_row_highlighted(self, _: DataTable.RowHighlighted) -> None:
        """Say more about what the cursor has come to."""
        self._paint_detail()

    def _ship_here(self) -> ShipStatus | None:
        """Return the ship that the cursor is at; among tasks, the one that has the task."""
        if self.watcher.sight is None:
            return None
        task = self._task_here()
        wanted = self._ships.at
        if self.is_at_tasks:
            wanted = task["owner"] if task and task["status"] == "in_progress" else None
        for ship in self.watcher.sight.status["ships"]:
            if ship["id"] == wanted:
                return ship
        return None

    def _task_here(self) -> TaskRow | None:
        """Return the task that the cursor is at; among ships, the one that the ship has."""
        if self.watcher.sight is None:
            return None
        for row in self.watcher.sight.tasks:
            if row["id"] == self._tasks.at:
                return row
        return None

    # Keys

    def action_switch(self) -> None:
        """Go from ships to tasks, and back."""
        if len(self.screen_stack) == 1:
            self._go(to_tasks=not self.is_at_tasks)

    def action_ships(self) -> None:
        """Show the ships."""
        self._go(to_tasks=False)

    def action_tasks(self) -> None:
        """Show the tasks."""
        self._go(to_tasks=True)

    def _go(self, *, to_tasks: bool) -> None:
        self._tasks.display = to_tasks
        self._ships.display = not to_tasks
        (self._tasks if to_tasks else self._ships).focus()
        self.paint()

    def on_data_table_row_selected(self, _: DataTable.RowSelected) -> None:
        """Open the log of what the cursor is at."""
        task = self._task_here()
        ship = self._ship_here()
        if self.is_at_tasks and task:
            title = rows.cell(f"task {task['id']} {task['subject']}", "bold reverse")
            self.push_screen(Log(self.voyage, title, task=task["id"]))
        elif ship:
            title = rows.cell(f"{ship['id']} {ship['state']}", "bold reverse")
            self.push_screen(Log(self.voyage, title, ship=ship["id"]))

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(Help())

    def action_leave(self) -> None:
        """End the board; the voyage goes on."""
        self.exit(SUCCESS)

    def action_interrupt(self) -> None:
        """End it as Ctrl-C ends other verbs."""
        self.exit(INTERRUPTED)

    # Orders

    def action_hail_ship(self) -> None:
        """Tell the agent of the ship something."""
        ship = self._ship_here()
        if ship is None:
            self.say("No ship is at this. H hails all.")
        else:
            self._hail(ship["id"], ship["id"])

    def action_hail_all(self) -> None:
        """Tell the agents of all ships something."""
        self._hail(None, "all ships")

    def _hail(self, ship: str | None, name: str) -> None:
        def send(message: str | None) -> None:
            if message:
                self._order(self._tell(message, ship))

        self.push_screen(Question(f"What is to be told to {name}?"), send)

    async def _tell(self, message: str, ship: str | None) -> Outcome:
        """Hail. What comes of it is who has taken the message in."""
        outcome = await orders.hail(self.voyage, sign(), message, ship)
        return {"message": "\n".join(addressees(outcome["ships"])), "unheard": outcome["unheard"]}

    def action_pause(self) -> None:
        """Pause the voyage, or have it go on."""
        sight = self.watcher.sight
        if sight is None:
            return
        if sight.status["state"] in PAUSED:
            self._ask("Resume? Tasks are handed out again.", orders.resume)
        else:
            self._ask("Pause? Ships finish their tasks, and wait.", orders.pause)

    def _ask(self, question: str, order: Order) -> None:
        def give(is_meant: bool | None) -> None:
            if is_meant:
                self._order(order(self.voyage, sign()))

        self.push_screen(Choice(question), give)

    def action_retry(self) -> None:
        """Bring back the task that the cursor is at, or verify."""
        sight = self.watcher.sight
        task = self._task_here()
        if sight is None:
            return
        if self.is_at_tasks and task and task["status"] == "failed":
            self._order(orders.retry(self.voyage, sign(), task["id"]))
        elif sight.status["state"] == "failed" and not sight.status["tasks"]["failed"]:
            self._order(orders.retry(self.voyage, sign(), "verify"))
        else:
            self.say("r brings back a task that has failed: tab, and go to it.")

    def _order(self, order: Coroutine[Any, Any, Outcome]) -> None:
        self.run_worker(self._give(order))

    async def _give(self, order: Awaitable[Outcome]) -> None:
        """Give an order, and say what came of it."""
        try:
            outcome = await order
        except Failure as fault:
            self.say(str(fault), is_trouble=True)
        else:
            self.say(outcome["message"])
        self.watcher.hurry()

    def say(self, text: str, *, is_trouble: bool = False) -> None:
        """Show a message for a while."""
        severity: SeverityLevel = "error" if is_trouble else "information"
        self.notify(clean(text, keep="\n"), severity=severity, markup=False)

    def on_print(self, event: events.Print) -> None:
        """Show what an order says of how it is going; it would spoil the screen."""
        if event.text.strip():
            self.say(event.text.strip())


async def show(watcher: Watcher) -> int:
    """Show the board until somebody leaves. Returns the exit status, or raises what ended it."""
    board = Board(watcher)
    status = await board.run_async(mouse=False)
    if board.trouble:
        raise board.trouble
    return status or SUCCESS
