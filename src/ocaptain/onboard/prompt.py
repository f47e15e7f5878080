"""What a coding agent is told: pure functions from a voyage and a claim to text."""

from typing import Any

Json = dict[str, Any]

NO_CHANGE = "NO CHANGE:"
GO_ON = "Go on where you left off."
HAIL = "\n\n# Message from the captain\n\n"
SILENT = f"Nothing has changed in the working tree, and there is no new commit. If the task needs no change, answer with one line, {NO_CHANGE} and why. Otherwise do the task now."
LEAKED = "Your changes contain the value of a token or key, which must not leave this machine. ocaptain has undone your commits; what you changed is still in the working tree. Remove the value everywhere, and do not write it again."
RULES = f"""\
# How this works

- You are one of several agents that work on this repository at the same time, each on a task of its own, in a clone of its own. Nobody watches you: decide for yourself, and never wait for an answer.
- The current directory is your clone, on a fresh branch. Do this task, all of it and only it; the others do the other tasks.
- Before you end, run what shows that your work is right.
- You need not commit, and must not push, change branches or rewrite history, unless you are told of a conflict. When you end your turn, ocaptain commits what is in the tree, rebases it, runs the plan's check, and lands it on the shared branch. That completes the task; do not mark it completed yourself.
- Leave nothing running when you end your turn, and no scratch files in the tree.
- TaskList and TaskGet show the fleet's task list. TaskCreate adds a task to it for the whole fleet: use it only for necessary work outside your task, never for a to-do list of your own.
- ~/voyage/artifacts and ~/voyage/logs (read-only, and sometimes out of reach) have the plan's files and the other ships' logs.
- Never write a token or a key into a file.
- If nothing has to be changed, end with one line: {NO_CHANGE} and why."""


def first(voyage: Json, claim: Json) -> str:
    """The message that starts a session: objective, spec, task, what it builds on, wrecks, rules."""
    task = claim["task"]
    files = ", ".join((task.get("metadata") or {}).get("files") or [])
    parts = {
        "The objective of the voyage": voyage["objective"],
        "The spec": voyage["spec"].strip(),
        f"Your task: {task['id']}. {task.get('subject', '')}": task.get("description"),
        "Files that it is expected to touch": files,
        "Tasks that it builds on, on the branch already": "\n".join(map(_landed, claim["landed"])),
        "Earlier attempts at it that did not land": "\n".join(map(_wreck, claim["wrecks"])),
        "The plan's check, run before every landing": voyage["check"],
    }
    told = [f"# {title}\n\n{text}" for title, text in parts.items() if text]
    return "\n\n".join([*told, RULES])


def _landed(task: Json) -> str:
    notes = task.get("metadata") or {}
    how = f"commit {notes['commit'][:12]}" if notes.get("commit") else notes.get("note")
    return f"- {task['id']}. {task.get('subject', '')}: {how}"


def _wreck(wreck: Json) -> str:
    fetch = f"`git fetch origin {wreck['ref']}`, then `git show FETCH_HEAD`"
    return f"- by {wreck['ship']} ({fetch}; take what is good), given up because: {wreck['why']}"


def conflict(paths: str, branch: str) -> str:
    """A rebase stopped: the agent is to resolve it."""
    return f"While you worked, others landed. Rebasing your work onto {branch} stopped, with conflicts in:\n\n{paths}\n\nThe rebase is still under way in your clone. Resolve the conflicts in these files so that what both sides meant still holds, leave no conflict markers, and end your turn: ocaptain goes on with the rebase and runs the check. `git log` and `git show` tell what the others did."


def red_check(command: str, status: int, output: str) -> str:
    """The plan's check failed on the rebased work."""
    return f"On top of the branch as it is now, the plan's check `{command}` fails with status {status}:\n\n{output.strip()}\n\nMend it and end your turn; then it is tried again."


def commit_message(voyage: Json, ship: str, task: Json) -> str:
    """The message of a commit that ocaptain makes for an agent."""
    subject = " ".join(str(task.get("subject", "")).split())[:72] or f"Task {task['id']}"
    return f"{subject}\n\nVoyage: {voyage['voyage']}\nShip: {ship}\nTask: {task['id']}\n"
