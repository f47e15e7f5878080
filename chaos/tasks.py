"""A plan whose tasks are short, and some of whose agents do their worst when first they run."""

import random
from pathlib import Path

from bench.plans import some_before, task
from tests.support.captain import Captain, Json

SHARED = "shared.txt"
ATTRIBUTES = f"{SHARED} merge=union\n"  # which a rebase can follow where two ships appended
SETUP = 'if [ -e ~/no-setup ]; then echo "no package index"; exit 1; fi\n'
SPOILS_SETUP = "no-setup"
"""The file in a ship's home with which `setup.sh` fails there."""
VERIFY = 'set -e; sleep 2; for file in done/*.txt; do test -s "$file"; done; test -s shared.txt\n'
LEASE_S = 8
ATTEMPTS = 5
HOSTILE = {
    "leaves a daemon": "setsid sleep 600 >/dev/null 2>&1 & work",
    "leaves one that writes": "(while sleep 0.2; do date >>noise.txt; done) & work",
    "deletes .git": "work; rm -rf .git",
    "deletes its workspace": 'work; rm -rf "$PWD"',
    "rewrites history": "work; git add -A; git commit -qm x; git reset -q --soft HEAD~2; "
    "git commit -qm y",
    "changes branch": "git checkout -q -b mine; work; git add -A; git commit -qm mine",
    "orphans itself": "git checkout -q --orphan lost; work; git add -A; git commit -qm lost",
    "plays with hooks": "mkdir -p .git/hooks; printf '#!/bin/sh\\nexit 1\\n' "
    "| tee .git/hooks/pre-commit .git/hooks/pre-push >/dev/null; chmod +x .git/hooks/*; work",
    "plays with config": "git config core.hooksPath /no; git config core.worktree /no; work",
    "leaves git's lock": "work; touch .git/index.lock .git/HEAD.lock",
    "is half-way in a rebase": "mkdir .git/rebase-merge; work",
    "fails": "work; exit 1",
    "hangs": "work; sleep 600",
    "floods": "seq 300000; work",
    "kills itself": "work; kill -9 $$",
    "kills helm": "work; kill -9 $PPID; sleep 5",
    "looks at storage": "timeout -s KILL 3 ls -R ~/voyage/logs ~/voyage/artifacts; work",
}
"""What an agent does, by a name for it; `work` is what it is there for."""
POISON = "poison"
CHECK = """\
seen=$(git rev-parse HEAD) || exit 1
sleep 0.5
test -s shared.txt || exit 1
chance=$(od -An -N1 -tu1 /dev/urandom)
if [ $chance -lt 12 ]; then
    echo "red by chance"; exit 1
elif [ $chance -lt 40 ]; then
    sleep 3
elif [ $chance -lt 60 ]; then
    echo junk >>shared.txt; rm -rf done; touch junk
elif [ $chance -lt 80 ]; then
    touch junk; git add junk; git -c user.name=x -c user.email=x commit -qm junk
elif [ $chance -lt 100 ]; then
    git checkout -q --detach HEAD~
fi
echo "$seen" >>{scratch}/{green}
"""
"""A check that may be red, or slow, or leave another tree or another HEAD; if it is green, it notes
first what commit it saw."""
GREEN = "green"
"""The file in which it notes that."""
DEADLY = """\
for shot in {shots}; do
    [ -e {scratch}/shot-$shot ] && continue
    touch {scratch}/shot-$shot
    kill -9 $(grep -lzx "OCAPTAIN_VM=$OCAPTAIN_VM" /proc/[0-9]*/environ | cut -d/ -f3 | grep -vx $$)
    kill -9 $$
done
"""
"""The beginning of a `verify.sh` that ends all that runs on its ship, so many times."""


def listed(count: int, chance: random.Random, scratch: Path) -> list[Json]:
    """So many tasks, each waiting for up to two earlier ones; `scratch` is where they note that
    they ran, and the last of them fails until a file there says otherwise."""
    tasks = [random_task(number, chance, scratch) for number in range(1, count)]
    last = random_task(count, chance, scratch, poisoned=True)
    return [*tasks, last]


def random_task(
    number: int, chance: random.Random, scratch: Path, *, poisoned: bool = False
) -> Json:
    """A task; every sixth is hostile when it first runs, and half of all commit."""
    blockers = some_before(number, chance)
    deed = chance.choice(list(HOSTILE)) if number % 6 == 0 else ""
    seconds = chance.uniform(0.1, 2)
    if number % 8 == 0:
        seconds = 8  # long enough to leave a wreck
    run = running(str(number), seconds, deed, scratch, commits=chance.random() < 0.5)
    if poisoned:
        deed = POISON
        run = f"[ -e {scratch}/antidote ] || exit 1\n{run}"
    return {**task(number, run, blockers), "subject": f"Task {number} {deed}".strip()}


def running(task_id: str, seconds: float, deed: str, scratch: Path, *, commits: bool) -> str:
    """What a task's agent runs: it writes a file of its own, and appends to one that all share;
    half-way, so that there is work to be lost. A hostile `deed` is done the first time only."""
    tried = scratch / task_id
    write = f"mkdir -p done; echo {task_id} >done/{task_id}.txt; echo {task_id} >>{SHARED}"
    lines = [f"work() {{ sleep {seconds / 2:.2f}; {write}; }}"]
    if deed:
        lines.append(f"[ -e {tried} ] || {{ touch {tried}; {HOSTILE[deed]}; exit; }}")
    lines.append("work")
    if commits:
        lines.append(f"git add -A; git commit -qm 'Work on {task_id}'")
    lines.append(f"sleep {seconds / 2:.2f}")
    return "\n".join(lines)


def deadly_verify(times: int, scratch: Path) -> str:
    """A `verify.sh` that first takes its ship down, `times` times; `scratch` is where it counts."""
    shots = " ".join(str(number) for number in range(times))
    return DEADLY.format(shots=shots, scratch=scratch) + VERIFY


def noting_check(scratch: Path) -> str:
    """A check that notes in `scratch` what was green."""
    return CHECK.format(scratch=scratch, green=GREEN)


def green_commits(scratch: Path) -> set[str]:
    """Every commit that a check began on that passed."""
    notes = scratch / GREEN
    return set(notes.read_text().splitlines()) if notes.exists() else set()


def plan(
    captain: Captain,
    tasks: list[Json],
    repo: Path,
    name: str,
    verify: str = VERIFY,
    check: str | None = None,
) -> Path:
    """A plan of these tasks for this repository."""
    return captain.plan(
        repo,
        {task["id"]: task for task in tasks},
        verify=verify,
        setup=SETUP,
        name=name,
        lease_seconds=LEASE_S,
        max_attempts=ATTEMPTS,
        stall_minutes=0.25,
        check=check,
    )


def repository(captain: Captain) -> Path:
    """A repository whose shared file git merges by itself."""
    return captain.repository("shared", **{".gitattributes": ATTRIBUTES, SHARED: "0\n"})
