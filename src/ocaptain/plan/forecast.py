"""What tasks will do together: how long their chains are, how many run at once, which collide."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import networkx as nx

from ocaptain.onboard.protocol import Task
from ocaptain.onboard.tasklist import files, share_files

from .plan import Forecast

Graph: TypeAlias = "nx.DiGraph[str]"


def foresee(tasks: Sequence[Task]) -> Forecast:
    """Say what can be said of sound tasks before any is begun."""
    if not tasks:
        return Forecast()
    graph: Graph = nx.DiGraph({task["id"]: task["blocks"] for task in tasks})
    return Forecast(
        tasks=len(graph),
        longest_chain=nx.dag_longest_path(graph),
        max_parallel=max_parallel(graph),
        overlaps=overlaps(tasks, graph),
    )


def max_parallel(graph: Graph) -> int:
    """How many tasks can run at once at the very most: the size of a maximum antichain.

    By Dilworth's theorem that is the least number of chains that cover all tasks: their number,
    less how many of them can be led to one that waits for them, each to another.
    """
    flow: nx.DiGraph[Any] = nx.DiGraph()
    for blocker, blocked in graph.edges:
        flow.add_edge(("leave", blocker), ("enter", blocked))
    for task in graph:
        flow.add_edge(("enter", task), ("leave", task))
        flow.add_edge("all", ("leave", task), capacity=1)
        flow.add_edge(("enter", task), "end", capacity=1)
    return len(graph) - int(nx.maximum_flow_value(flow, "all", "end"))


def overlaps(tasks: Sequence[Task], graph: Graph) -> list[tuple[str, str]]:
    """Pairs of tasks that name the same paths, and of which neither waits for the other."""
    pairs = []
    with_files = list(filter(files, tasks))
    for index, task in enumerate(with_files):
        in_order = nx.ancestors(graph, task["id"]) | nx.descendants(graph, task["id"])
        for other in with_files[index + 1 :]:
            if other["id"] not in in_order and share_files(task, [other]):
                pairs.append((task["id"], other["id"]))
    return pairs
