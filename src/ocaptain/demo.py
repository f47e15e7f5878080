"""A small voyage to look at: a real repository, and a plan of eight tasks that need no model."""

import asyncio
import json
import tempfile
from pathlib import Path

from .errors import Failure
from .ssh import clean, run

SPEC = """\
# Print a poem by Walt Whitman

Each verse of *O Captain! My Captain!* is a file in `verses/`; from them come the poem as Markdown and
as a page, and a count of its words.
"""
VERIFY = """\
#!/usr/bin/env bash
# The voyage is complete when this exits 0 in a fresh clone of its branch.
set -eu
cd ~/voyage/workspace
cat verses/*.txt | diff - <(grep -v '^#' poem.md | sed '/^$/d')
test "$(cat words.txt)" = "$(cat verses/*.txt | wc -w)"
grep -q '<h1>O Captain' index.html && bash test.sh
echo 'the poem is whole'
"""
VERSES = (
    "O Captain! my Captain! our fearful trip is done,\nThe ship has weather'd every rack,",
    "the prize we sought is won,\nThe port is near, the bells I hear,\nthe people all exulting,",
    "While follow eyes the steady keel,\nthe vessel grim and daring.",
)
VERSE = (
    "sleep 2; mkdir -p verses; cat > verses/{n}.txt <<'END'\n{text}\nEND\necho verse {n} is written"
)
POEM = "sleep 2; (echo '# O Captain! My Captain!'; cat verses/*.txt) > poem.md; wc -l poem.md"
PAGE = "sleep 1; (echo '<h1>O Captain! My Captain!</h1><pre>'; cat verses/*.txt) > index.html"
TEST = (
    "sleep 1; echo 'test -s poem.md && test -s index.html' > test.sh; bash test.sh && echo passed"
)
README = "sleep 1; printf '%s words by Walt Whitman.\\n' \"$(cat words.txt)\" >> README.md"

TASKS = (
    ("1", "Lay the keel", [], "sleep 1; printf '*.tmp\\n' > .gitignore; echo laid"),
    *(
        (str(n + 1), f"Write verse {n}", ["1"], VERSE.format(n=n, text=text))
        for n, text in enumerate(VERSES, 1)
    ),
    ("5", "Assemble the poem", ["2", "3", "4"], POEM),
    ("6", "Count its words", ["2", "3", "4"], "sleep 1; cat verses/*.txt | wc -w > words.txt"),
    ("7", "Make a page of it", ["5"], f"{PAGE}; {TEST}"),
    ("8", "Name its size in the README", ["6"], README),
)


def make() -> Path:
    """Make the repository with the plan in it, and return its path."""
    repo = Path(tempfile.mkdtemp(prefix="ocaptain-demo-"))
    (repo / "README.md").write_text("# A poem\n\nPrinted by a fleet.\n")
    (repo / "plan" / "tasks").mkdir(parents=True)
    settings = {"name": "demo", "repo": str(repo), "agent": "shell", "recommended_ships": 3}
    files = {
        "voyage.json": json.dumps({**settings, "lease_seconds": 30}, indent=2),
        "spec.md": SPEC,
        "verify.sh": VERIFY,
    }
    for task_id, subject, blocked_by, command in TASKS:
        task = {"id": task_id, "subject": subject, "description": subject, "status": "pending"}
        links = {"blockedBy": blocked_by, "metadata": {"run": command}}
        files[f"tasks/{task_id}.json"] = json.dumps({**task, **links}, indent=2)
    for name, body in files.items():
        (repo / "plan" / name).write_text(body)
    asyncio.run(_commit(repo))
    return repo


async def _commit(repo: Path) -> None:
    identity = ["-c", "user.name=ocaptain demo", "-c", "user.email=demo@localhost"]
    for words in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["commit", "-q", "-m", "A poem to be"],
    ):
        done = await run(["git", "-C", str(repo), *identity, *words])
        if done.status:
            raise Failure(f"git {words[0]} failed in {repo}: {clean(done.err).strip()}")
