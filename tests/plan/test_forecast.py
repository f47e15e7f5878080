"""What can be said of tasks before any is begun, compared with what counting finds."""

from collections.abc import Mapping
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from ocaptain.onboard.protocol import Task
from ocaptain.plan.forecast import foresee
from ocaptain.plan.plan import Forecast

Dag = dict[str, list[str]]


@st.composite
def dags(draw: st.DrawFn) -> Dag:
    """Small graphs without circles: each task may have any of the tasks before it as blockers."""
    size = draw(st.integers(1, 9))
    return {
        str(n): sorted(str(b) for b in draw(st.sets(st.integers(0, n - 1)))) if n else []
        for n in range(size)
    }


def reachable(graph: Dag, task_id: str) -> set[str]:
    return {r for b in graph[task_id] for r in {b, *reachable(graph, b)}}


def unordered(graph: Dag, some: tuple[str, ...]) -> bool:
    return not any(reachable(graph, one).intersection(some) for one in some)


def foreseen(graph: Dag, paths: Mapping[str, list[str]] = {}) -> Forecast:
    """What is said of a sound plan with these tasks and their blockers, and `metadata.files`."""
    blocks: Dag = {task_id: [] for task_id in graph}
    for task_id, blockers in graph.items():
        for blocker in blockers:
            blocks[blocker].append(task_id)
    tasks: list[Task] = [
        {
            "id": task_id,
            "blocks": blocks[task_id],
            "metadata": {"files": paths.get(task_id, [])},
        }
        for task_id in graph
    ]
    return foresee(tasks)


@given(dags())
def test_max_parallel(graph: Dag):
    """The most tasks that can run at once are those of the largest set without an order."""
    sets = (some for size in range(len(graph) + 1) for some in combinations(graph, size))
    most = max(len(some) for some in sets if unordered(graph, some))
    assert foreseen(graph).max_parallel == most


@given(dags())
def test_longest_chain(graph: Dag):
    """The longest chain is one, and no other is longer."""

    def depth(task_id: str) -> int:
        return 1 + max((depth(blocker) for blocker in graph[task_id]), default=0)

    chain = foreseen(graph).longest_chain
    assert all(one in graph[two] for one, two in pairwise(chain))
    assert len(chain) == max(depth(task_id) for task_id in graph)


def test_max_parallel_of_a_long_plan():
    """A chain of thousands of tasks is no obstacle to any of the facts."""
    graph = {str(n): [str(n - 1)] if n else [] for n in range(3000)}
    report = foreseen(graph)
    assert report.max_parallel == 1
    assert len(report.longest_chain) == 3000


def test_overlaps():
    """Tasks overlap if they share a path or one is below the other's, and neither waits."""
    graph: Dag = {"1": [], "2": [], "3": ["2"], "4": []}
    paths = {"1": ["src/", "README.md"], "2": ["src/a.py"], "3": ["src/a.py"], "4": ["srcs"]}
    assert foreseen(graph, paths).overlaps == [("1", "2"), ("1", "3")]
