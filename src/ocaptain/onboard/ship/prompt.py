"""What a coding agent is told: pure functions from a voyage and a claim to text."""

from collections.abc import Sequence

from .. import tasklist
from ..protocol import Task, TaskGrant, VoyageRecord, Wreck

NO_CHANGE = "NO CHANGE:"
"""What an agent is to say if nothing had to change."""
GO_ON = "Go on where you left off."
HAIL = "\n\n# Message from the captain\n\n"
SILENT = f"Nothing has changed: neither a file, nor is there a new commit. If the task needs no change, answer with one line, {NO_CHANGE} and why. Otherwise do the task now."
LEAKED = "Your changes contain the value of a token or key, which must not leave this machine. ocaptain has undone your commits; what you changed is still in the working tree. Remove the value everywhere, and do not write it again."
RULES = f"""\
# How this works

- You are one of several agents that work on this repository at once, each on a task of its own, in a clone of its own: the current directory. Do your task, all of it and only it. Nobody watches you: decide for yourself, and never wait for an answer.
- Before you end, run what shows that your work is right. Leave nothing running, no scratch files in the tree, and no token or key in a file.
- You need not commit, and must not push, change branches or rewrite history, unless you are told of a conflict. When you end your turn, ocaptain commits what is in the tree, rebases it, runs the plan's check, and lands it on the shared branch. That completes the task; do not mark it completed yourself.
- TaskList and TaskGet show the fleet's tasks. TaskCreate adds one for the whole fleet: use it only for necessary work outside your task, never for a to-do list of your own.
- ~/voyage/artifacts and ~/voyage/logs (read-only, and sometimes out of reach) have the plan's files and the other ships' logs.
- If nothing has to be changed, end with one line: {NO_CHANGE} and why."""

FOR_GITHUB = "- The branch goes to GitHub, which refuses all of it if one commit has a file of more than 100 MB. Leave no such file in the tree, and commit none."


def first(voyage: VoyageRecord, grant: TaskGrant) -> str:
    """Make the message that starts a session, with all that there is to know about the task."""
    task = grant["task"]
    landed = [_landed(each) for each in grant["landed"]]
    wrecks = [_wreck(each) for each in grant["wrecks"]]
    parts = {
        "The objective of the voyage": voyage["objective"],
        "The spec": voyage["spec"].strip(),
        f"Your task: {_title(task)}": task.get("description"),
        "Files that it is expected to touch": ", ".join(tasklist.files(task)),
        "Tasks that it builds on, on the branch already": "\n".join(landed),
        "Earlier attempts at it that did not land": "\n".join(wrecks),
        "The plan's check, run before every landing": voyage["check"],
    }
    paragraphs = [f"# {title}\n\n{text}" for title, text in parts.items() if text]
    rules = [RULES]
    if (voyage["origin"] or "").startswith("https://github.com/"):
        rules.append(FOR_GITHUB)
    return "\n\n".join([*paragraphs, "\n".join(rules)])


def _title(task: Task) -> str:
    return f"{task['id']}. {task.get('subject', '')}"


def _landed(task: Task) -> str:
    metadata = tasklist.metadata(task)
    commit = metadata.get("commit")
    if commit:
        return f"- {_title(task)}: commit {commit[:12]}"
    return f"- {_title(task)}: {metadata.get('note')}"


def _wreck(wreck: Wreck) -> str:
    fetch = f"`git fetch origin {wreck['ref']}`, then `git show FETCH_HEAD`"
    return f"- by {wreck['ship']} ({fetch}; take what is good), given up because: {wreck['why']}"


def conflict(branch: str, paths: Sequence[str]) -> str:
    """Say what to do about a rebase that has stopped."""
    lines = "\n".join(paths)
    return f"While you worked, others landed. Rebasing your work onto {branch} stopped, with conflicts in:\n\n{lines}\n\nThe rebase is still under way in your clone. Resolve the conflicts in these files so that what both sides meant still holds, leave no conflict markers, and end your turn: ocaptain goes on with the rebase and runs the check. `git log` and `git show` tell what the others did."


def red_check(check: str, status: int, output: str) -> str:
    """Say what to do about a check that fails."""
    return f"On top of the branch as it is now, the plan's check `{check}` fails with status {status}:\n\n{output}\n\nMend it and end your turn; then it is tried again."


def commit_message(voyage: VoyageRecord, ship: str, task: Task) -> str:
    """Make the message of a commit that ocaptain makes for an agent."""
    subject = " ".join(task.get("subject", "").split())[:72] or f"Task {task['id']}"
    return f"{subject}\n\nVoyage: {voyage['voyage']}\nShip: {ship}\nTask: {task['id']}\n"
