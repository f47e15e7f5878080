"""What tasks will do together: how long their chains are, how many run at once, which collide."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ocaptain.onboard.protocol import Task
from ocaptain.onboard.tasklist import files, share_files

from .plan import Forecast

if TYPE_CHECKING:
    import networkx as nx

Graph: TypeAlias = "nx.DiGraph[str]"


def foresee(tasks: Sequence[Task]) -> Forecast:
    """Say what can be said of sound tasks before any is begun."""
    if not tasks:
        return Forecast()
    if not any(task["blocks"] for task in tasks):
        return unlinked(tasks)
    import networkx as nx  # takes longer than all the rest of a check

    graph: Graph = nx.DiGraph({task["id"]: task["blocks"] for task in tasks})
    return Forecast(
        tasks=len(graph),
        longest_chain=nx.dag_longest_path(graph),
        max_parallel=max_parallel(graph),
        overlaps=overlaps(
            tasks, lambda task: nx.ancestors(graph, task) | nx.descendants(graph, task)
        ),
    )


def unlinked(tasks: Sequence[Task]) -> Forecast:
    """Say what can be said of tasks of which none waits for another."""
    return Forecast(
        tasks=len(tasks),
        longest_chain=[tasks[0]["id"]],
        max_parallel=len(tasks),
        overlaps=overlaps(tasks, lambda _: set()),
    )


def max_parallel(graph: Graph) -> int:
    """How many tasks can run at once at the very most: the size of a maximum antichain.

    By Dilworth's theorem that is the least number of chains that cover all tasks: their number,
    less how many of them can be led to one that waits for them, each to another.
    """
    import networkx as nx

    flow: nx.DiGraph[Any] = nx.DiGraph()
    for blocker, blocked in graph.edges:
        flow.add_edge(("leave", blocker), ("enter", blocked))
    for task in graph:
        flow.add_edge(("enter", task), ("leave", task))
        flow.add_edge("all", ("leave", task), capacity=1)
        flow.add_edge(("enter", task), "end", capacity=1)
    return len(graph) - int(nx.maximum_flow_value(flow, "all", "end"))


def overlaps(tasks: Sequence[Task], in_order: Callable[[str], set[str]]) -> list[tuple[str, str]]:
    """Pairs of tasks that name the same paths, and of which neither waits for the other.

    `in_order` returns those that a task waits for, and those that wait for it."""
    pairs = []
    with_files = list(filter(files, tasks))
    for index, task in enumerate(with_files):
        known = in_order(task["id"])
        for other in with_files[index + 1 :]:
            if other["id"] not in known and share_files(task, [other]):
                pairs.append((task["id"], other["id"]))
    return pairs
