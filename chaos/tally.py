"""What was done to how much, and what came of it: counted, and as a table."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.table import markdown

from .audit import Evidence


@dataclass
class Tally:
    """The voyages of one seed."""

    counted: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, evidence: Evidence) -> None:
        """Take in a voyage that has been audited."""
        claims = evidence.final["claims"].values()
        states = Counter(claim["state"] for claim in claims)
        landed = {work_ref(claim) for claim in claims if claim["state"] == "landed"}
        refs = evidence.victim.work_refs().keys()
        looks = evidence.lookout.looks
        orders = evidence.victim.ordered
        self.counted += Counter(
            {
                "voyages": 1,
                "tasks completed": len(evidence.final["tasks"]),
                "claims": len(claims),
                "… landed": states["landed"],
                "… released": states["released"],
                "… expired (swept)": states["expired"],
                "… abandoned (helm began anew)": states["abandoned"],
                "wrecks": len(refs - landed),
                "commits": commits_landed(evidence),
                "looks at `status`": len(looks),
                "… that storage did not answer": sum(look.status is None for look in looks),
                "orders": len(orders),
                "… that failed or were refused": sum(order.status != 0 for order in orders),
            }
        )

    def rows(self) -> Counter[str]:
        """All of it, by what it is."""
        total = Counter({"faults": self.faults.total()})
        kinds = Counter({f"… {kind}": times for kind, times in sorted(self.faults.items())})
        return self.counted | total | kinds


def commits_landed(evidence: Evidence) -> int:
    """How many commits the branch has since the voyage began."""
    start = evidence.lines[0]["set"]["meta"]["head"]
    head = evidence.final["meta"]["head"]
    return int(evidence.victim.git("rev-list", "--count", f"{start}..{head}"))


def work_ref(claim: Mapping[str, object]) -> str:
    """The work ref of a claim."""
    return f"refs/heads/work/{claim['task']}-{claim['number']}"


def table(tallies: Mapping[int, Tally]) -> str:
    """A column for each seed."""
    columns = {seed: tally.rows() for seed, tally in tallies.items()}
    names = dict.fromkeys(name for column in columns.values() for name in column)
    rows = [(name, *(f"{column[name]:,}" for column in columns.values())) for name in names]
    violations = [str(len(tally.violations)) for tally in tallies.values()]
    heads = ("", *(f"seed {seed}" for seed in tallies))
    return markdown(heads, [*rows, ("**violations**", *violations)])
