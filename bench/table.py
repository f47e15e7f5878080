"""Rows of measurements, against their targets, as text and as Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

HEADS = ("what", "target", "measured: median (least-most, of)", "beside it", "")
Cells = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Target:
    """What a row's median, or with `ratio` its ratio to what stands beside it, is held to."""

    limit: float
    least: bool = False
    ratio: bool = False

    def met(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value >= self.limit if self.least else value <= self.limit


@dataclass(frozen=True)
class Row:
    """One thing measured, several times; `beside` names something to compare it with."""

    what: str
    samples: Sequence[float]
    unit: str
    target: Target | None = None
    beside: tuple[str, float] | None = None

    @property
    def ratio(self) -> float:
        """The median as a multiple of what stands beside it; 0 where nothing does."""
        return median(self.samples) / self.beside[1] if self.beside else 0.0

    @property
    def missed(self) -> bool:
        """Whether there is a target, and it is not met."""
        if not self.target:
            return False
        return not self.target.met(self.ratio if self.target.ratio else median(self.samples))

    def cells(self) -> Cells:
        """The row as it is shown."""
        mark = "MISSED" if self.missed else "met" if self.target else ""
        return (self.what, self._target(), self._measured(), self._beside(), mark)

    def _target(self) -> str:
        if not self.target:
            return ""
        sign = "≥" if self.target.least else "≤"
        return f"{sign} {self.target.limit:g} {'x' if self.target.ratio else self.unit}".rstrip()

    def _measured(self) -> str:
        middle = f"{number(median(self.samples))} {self.unit}".rstrip()
        if len(self.samples) == 1:
            return middle
        least, most = number(min(self.samples)), number(max(self.samples))
        return f"{middle} ({least}-{most}, of {len(self.samples)})"

    def _beside(self) -> str:
        if not self.beside:
            return ""
        name, value = self.beside
        return f"{self.ratio:.2f} x {name}: {number(value)} {self.unit}"


def number(value: float) -> str:
    """Three digits that mean something, and whole numbers as such."""
    if value == int(value) or value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def text(rows: Iterable[Row]) -> str:
    """The table, for a terminal."""
    cells = [HEADS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table for a document."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
