"""What was done to how much, and what came of it: counted, and as a table."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .audit import ENDS, Evidence


@dataclass
class Tally:
    """The voyages of one seed."""

    counted: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, found: Evidence) -> None:
        """Take in a voyage that has been audited."""
        claims, fleet = found.final["claims"].values(), found.fleet
        start, head = found.lines[0]["set"]["meta"]["head"], found.final["meta"]["head"]
        states = Counter(claim["state"] for claim in claims)
        landed = {work_ref(claim) for claim in claims if claim["state"] == "landed"}
        unseen = [look for look in found.watch.looks if look.seen is None]
        self.counted += Counter({"voyages": 1, "tasks completed": len(found.final["tasks"])})
        self.counted += Counter({"claims": len(claims)})
        self.counted += Counter({f"… {state}{EXPLAINED[state]}": states[state] for state in ENDS})
        self.counted["wrecks"] += len(fleet.work_refs().keys() - landed)
        self.counted["commits"] += int(fleet.git("rev-list", "--count", f"{start}..{head}"))
        self.counted["looks at `status`"] += len(found.watch.looks)
        self.counted["… that storage did not answer"] += len(unseen)
        self.counted["orders"] += len(fleet.ordered)
        self.counted["… that failed or were refused"] += sum(o.status != 0 for o in fleet.ordered)

    def rows(self) -> Counter[str]:
        """All of it, by what it is."""
        faults = Counter({"faults": self.faults.total()})
        kinds = Counter({f"… {kind}": times for kind, times in sorted(self.faults.items())})
        return self.counted | faults | kinds


EXPLAINED = {"landed": "", "released": "", "expired": " (swept)", "abandoned": " (helm began anew)"}


def work_ref(claim: Mapping[str, object]) -> str:
    """The work ref of a claim."""
    return f"refs/heads/work/{claim['task']}-{claim['number']}"


def table(tallies: Mapping[int, Tally]) -> str:
    """A column for each seed."""
    rows = {seed: tally.rows() for seed, tally in tallies.items()}
    names = dict.fromkeys(name for counted in rows.values() for name in counted)
    lines = [(name, *(f"{rows[seed][name]:,}" for seed in rows)) for name in names]
    violations = [str(len(tally.violations)) for tally in tallies.values()]
    heads = ("", *(f"seed {seed}" for seed in rows))
    return markdown([heads, ("---",) * len(heads), *lines, ("**violations**", *violations)])


def markdown(lines: Iterable[Sequence[str]]) -> str:
    """A table for a document."""
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
