"""What a coding agent is told: pure functions from a voyage and a claim to text."""

from typing import Any

Json = dict[str, Any]

NO_CHANGE = "NO CHANGE:"
GO_ON = "Go on where you left off."
HAIL = "\n\n# Message from the captain\n\n"
SILENT = f"Nothing has changed: neither a file, nor is there a new commit. If the task needs no change, answer with one line, {NO_CHANGE} and why. Otherwise do the task now."
LEAKED = "Your changes contain the value of a token or key, which must not leave this machine. ocaptain has undone your commits; what you changed is still in the working tree. Remove the value everywhere, and do not write it again."
CONFLICT = "While you worked, others landed. Rebasing your work onto {} stopped, with conflicts in:\n\n{}\n\nThe rebase is still under way in your clone. Resolve the conflicts in these files so that what both sides meant still holds, leave no conflict markers, and end your turn: ocaptain goes on with the rebase and runs the check. `git log` and `git show` tell what the others did."
RED = "On top of the branch as it is now, the plan's check `{}` fails with status {}:\n\n{}\n\nMend it and end your turn; then it is tried again."
RULES = f"""\
# How this works

- You are one of several agents that work on this repository at once, each on a task of its own, in a clone of its own: the current directory. Do your task, all of it and only it. Nobody watches you: decide for yourself, and never wait for an answer.
- Before you end, run what shows that your work is right. Leave nothing running, no scratch files in the tree, and no token or key in a file.
- You need not commit, and must not push, change branches or rewrite history, unless you are told of a conflict. When you end your turn, ocaptain commits what is in the tree, rebases it, runs the plan's check, and lands it on the shared branch. That completes the task; do not mark it completed yourself.
- TaskList and TaskGet show the fleet's tasks. TaskCreate adds one for the whole fleet: use it only for necessary work outside your task, never for a to-do list of your own.
- ~/voyage/artifacts and ~/voyage/logs (read-only, and sometimes out of reach) have the plan's files and the other ships' logs.
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


def commit_message(voyage: Json, ship: str, task: Json) -> str:
    """The message of a commit that ocaptain makes for an agent."""
    subject = " ".join(str(task.get("subject", "")).split())[:72] or f"Task {task['id']}"
    return f"{subject}\n\nVoyage: {voyage['voyage']}\nShip: {ship}\nTask: {task['id']}\n"
