"""A table of rows that come and go, whose cursor stays with what it is at."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable
from textual.widgets.data_table import ColumnKey

from .rows import Column, Row, fitted, widths


class Table(DataTable[Text]):
    """Rows by their keys. It fills the width that there is, and scrolls only up and down."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
        Binding("g,home", "scroll_top", show=False),
        Binding("G,end", "scroll_bottom", show=False),
    ]

    def __init__(self, columns: Sequence[Column], name: str) -> None:
        super().__init__(id=name, cursor_type="row", cell_padding=0)
        self._heads = columns
        self._whole: Sequence[Row] = []
        self._shown: list[Row] = []
        self._widths: list[int] = []

    @property
    def at(self) -> str | None:
        """The key of the row that the cursor is at; None if there are no rows."""
        if 0 <= self.cursor_row < len(self._shown):
            return self._shown[self.cursor_row].key
        return None

    def on_resize(self) -> None:
        """Use the room that there is now."""
        self.show(self._whole)

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows, and change on the screen only what is different."""
        self._whole = rows
        if not self.size.width:
            return
        fitting = self._fit_columns()
        cut = [Row(row.key, self._cut(row.cells)) for row in rows]
        if fitting and [row.key for row in cut] == [row.key for row in self._shown]:
            self._update(cut)
        else:
            self._replace(cut)

    def _fit_columns(self) -> bool:
        """Have the columns fill the width that there is. Returns whether they did before."""
        wanted = widths(self._heads, self.size.width - self.scrollbar_size_vertical)
        if wanted == self._widths:
            return True
        self._widths = wanted
        self.clear(columns=True)
        for column, width in zip(self._heads, wanted, strict=True):
            self.add_column(column.head, key=column.head, width=width)
        return False

    def _cut(self, cells: Sequence[Text]) -> list[Text]:
        return [fitted(text, width) for text, width in zip(cells, self._widths, strict=True)]

    def _update(self, rows: Sequence[Row]) -> None:
        for old, new in zip(self._shown, rows, strict=True):
            for column, before, after in zip(self._heads, old.cells, new.cells, strict=True):
                if (before.plain, before.style) != (after.plain, after.style):
                    self.update_cell(new.key, ColumnKey(column.head), after)
        self._shown = list(rows)

    def _replace(self, rows: Sequence[Row]) -> None:
        """Show other rows, or the same in another order; the cursor stays with its row."""
        at = self.at
        top = self.scroll_y
        self.clear()
        self._shown = list(rows)
        for row in rows:
            self.add_row(*row.cells, key=row.key)
        keys = [row.key for row in rows]
        if at in keys:
            self.move_cursor(row=keys.index(at), scroll=False)
        self.scroll_to(y=top, animate=False)
