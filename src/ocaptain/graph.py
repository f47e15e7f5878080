"""Facts about a plan's dependencies: pure functions over `{task: its blockers}`."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import combinations

from .onboard.tasklist import Task, files, share_files

Graph = Mapping[str, Sequence[str]]


def circles(graph: Graph) -> Iterator[list[str]]:
    """The circles of tasks that block one another; of those that share a task, one."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        ring: list[str] = error.args[1]
        yield ring
        rest = {i: [b for b in graph[i] if b not in ring] for i in graph if i not in ring}
        yield from circles(rest)


def longest_chain(graph: Graph) -> tuple[str, ...]:
    """The ids of a longest chain of tasks that each wait for the one before."""
    chains: dict[str, tuple[str, ...]] = {}
    for task in TopologicalSorter(graph).static_order():
        chains[task] = (*max((chains[b] for b in graph[task]), key=len, default=()), task)
    return max(chains.values(), key=len)


def reach(graph: Graph) -> Mapping[str, int]:
    """For each task, in an order in which they could run, the set of it and all tasks before it.

    A set is an int whose bit N stands for the Nth task: a thousand tasks take milliseconds.
    """
    sets: dict[str, int] = {}
    for task in TopologicalSorter(graph).static_order():
        sets[task] = 1 << len(sets)
        for blocker in graph[task]:
            sets[task] |= sets[blocker]
    return sets


def max_parallel(reached: Mapping[str, int]) -> int:
    """How many tasks can run at once at the very most: the size of a maximum antichain.

    By Dilworth's theorem that is the least number of chains that cover all tasks: their number,
    less the pairs in a maximum matching of tasks with tasks before them.
    """
    before = [tasks ^ (1 << place) for place, tasks in enumerate(reached.values())]
    partner: dict[int, int] = {}

    def match(task: int, unseen: list[int]) -> bool:
        while fresh := before[task] & unseen[0]:
            other = fresh.bit_length() - 1
            unseen[0] ^= 1 << other
            if other not in partner or match(partner[other], unseen):
                partner[other] = task
                return True
        return False

    # As a set, -1 holds every number.
    return len(before) - sum(match(task, [-1]) for task in range(len(before)))


def overlaps(reached: Mapping[str, int], tasks: Sequence[Task]) -> Iterator[tuple[str, str]]:
    """Pairs of tasks that could run together and name the same path, or one below the other's."""
    for one, two in combinations([task for task in tasks if files(task)], 2):
        mine, other = reached[one["id"]], reached[two["id"]]
        if mine & other not in (mine, other) and share_files(one, [two]):
            yield one["id"], two["id"]
