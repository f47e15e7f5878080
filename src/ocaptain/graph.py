"""Facts about a plan's dependencies: pure functions over `{task: its blockers}` without circles."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from itertools import combinations, pairwise, product

Graph = Mapping[str, Sequence[str]]


def longest_chain(graph: Graph) -> tuple[str, ...]:
    """The ids of a longest chain of tasks that each wait for the one before."""
    chains: dict[str, tuple[str, ...]] = {}
    for task in TopologicalSorter(graph).static_order():
        longest = max((chains[blocker] for blocker in graph[task]), key=len, default=())
        chains[task] = (*longest, task)
    return max(chains.values(), key=len)


def max_parallel(graph: Graph) -> int:
    """How many tasks can run at once at the very most: the size of a maximum antichain.

    By Dilworth's theorem that is the least number of chains that cover all tasks: their number,
    less the pairs in a maximum matching of tasks with tasks before them.
    """
    earlier = list(_earlier(graph).values())
    partner: dict[int, int] = {}
    exhausted = 0
    for task in range(len(earlier)):
        exhausted = _match(task, earlier, partner, exhausted)
    return len(earlier) - len(partner)


def _match(task: int, earlier: list[int], partner: dict[int, int], exhausted: int) -> int:
    """Give `task` a partner along an augmenting path, if there is one.

    Returns the tasks that no later search need look at: a search that fails adds all it saw.
    """
    seen = exhausted
    path = [(task, -1)]
    while path:
        fresh = earlier[path[-1][0]] & ~seen
        if not fresh:
            path.pop()
            continue
        other = fresh.bit_length() - 1
        seen |= 1 << other
        path.append((partner.get(other, -1), other))
        if other not in partner:
            partner.update((free, mine) for (mine, _), (_, free) in pairwise(path))
            return exhausted
    return seen


def overlaps(graph: Graph, files: Graph) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Pairs of tasks that could run together and name the same path, or one below the other's.

    With each pair come the paths of its first task that the second one would touch as well.
    """
    earlier = _earlier(graph)
    bit = {task: 1 << place for place, task in enumerate(earlier)}
    paths = {task: [path.rstrip("/") + "/" for path in files[task]] for task in files}
    for one, two in combinations(files, 2):
        if not (earlier[one] & bit[two] or earlier[two] & bit[one]):
            pairs = product(paths[one], paths[two])
            shared = {a.rstrip("/") for a, b in pairs if a.startswith(b) or b.startswith(a)}
            if shared:
                yield one, two, tuple(sorted(shared))


def _earlier(graph: Graph) -> dict[str, int]:
    """For each task, in an order in which they could run, the set of all tasks before it.

    A set is an int whose bit N stands for the Nth task: a thousand tasks take milliseconds.
    """
    sets: dict[str, int] = {}
    bit: dict[str, int] = {}
    for task in TopologicalSorter(graph).static_order():
        bit[task] = 1 << len(bit)
        sets[task] = 0
        for blocker in graph[task]:
            sets[task] |= sets[blocker] | bit[blocker]
    return sets
