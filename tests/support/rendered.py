"""What a terminal shows of something."""

from rich.console import Console, RenderableType


def lines(content: RenderableType, columns: int = 80) -> list[str]:
    """What stands on a terminal of that width."""
    console = Console(width=columns)
    with console.capture() as capture:
        console.print(content)
    return [line.rstrip() for line in capture.get().splitlines()]
