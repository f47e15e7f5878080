"""The pull request of a complete voyage, and what it says."""

import json
import re
import time
from typing import Any

from ocaptain.onboard.storage import pull_request
from tests.fakes.github import GitHub
from tests.support.mirrored import BRANCH, HIDDEN, NAME, Mirrored, hub_repo, moor, remote
from tests.support.storage import VOYAGE, Json, assert_sound, git, task


def test_a_complete_voyage_becomes_a_pull_request(hub: GitHub):
    """It is made once, when verify.sh has passed and not before, and says what each task did."""
    storage = moor(hub, task("10"), task("2"), objective="Write a guide")
    landed = storage.land()
    storage.finish("ship-0", note="there was nothing to do")
    storage.mirror()
    assert hub.pulls == []
    assert not storage.due()
    storage.verify()
    assert storage.due()
    for _ in range(2):
        storage.mirror()
    [pull] = hub.pulls
    assert storage.news() == [landed, pull["html_url"], None]
    assert not storage.due()
    assert (pull["title"], pull["head"]["ref"], pull["base"]["ref"]) == (
        "Write a guide",
        VOYAGE,
        "main",
    )
    web = f"https://github.com/{NAME}"
    start = storage.order("unfetched")["start"]
    assert pull["body"].splitlines() == [
        f"`verify.sh` passed on a fresh clone of {landed}, with all 2 tasks done:",
        "",
        f"- [`{landed[:12]}`]({web}/commit/{landed}) `2. Do 2`",
        "- `10. Do 10: there was nothing to do`",
        "",
        f"[All that is changed]({web}/compare/{start}...{landed}). Attempts, costs, logs and",
        f"transcripts are with who sailed this: `ocaptain report {VOYAGE}`",
    ]
    assert_sound(storage)


def test_a_pull_request_names_what_steers_ci(hub: GitHub):
    """Files that agents changed below .github/ and the like come first, moved ones with both
    names, and other files not at all."""
    storage = moor(hub, task("1"), task("2"))
    token = hub.token(write=[NAME], workflow=True)
    storage.give_token(token)
    storage.land({".github/workflows/a b.yml": "on: push\n", "src/.github/x": "", "x": ""})
    storage.land({".gitlab-ci.yml": "", ".circleci/config.yml": "", "Jenkinsfile": "node {}"})
    storage.verify()
    storage.mirror()
    [pull] = hub.pulls
    assert pull["body"].splitlines()[:9] == [
        "**Agents changed what tells CI what to do. Read these files first:**",
        "",
        "```",
        ".circleci/config.yml",
        ".github/workflows/a b.yml",
        ".gitlab-ci.yml",
        "Jenkinsfile",
        "```",
        "",
    ]


def test_nobody_wants_a_pull_request(hub: GitHub):
    """None is made without --pr, nor where nothing was changed."""
    storage = moor(hub, task("1"), open_pr=False)
    storage.land()
    storage.verify()
    storage.mirror()
    assert not storage.due()
    unchanged = Mirrored(storage.home.with_name("other"), [task("1")], storage.token)
    unchanged.finish("ship-0")
    unchanged.verify()
    assert unchanged.order("status")["state"] == "complete"
    (unchanged.folder / "mirror.lock").unlink(missing_ok=True)
    for ref in (HIDDEN, BRANCH):
        git(hub_repo(hub), "update-ref", "-d", ref)
    unchanged.mirror()
    assert not unchanged.due()
    assert hub.pulls == []


def test_a_base_that_is_not_known(hub: GitHub):
    """Where the voyage did not start from a branch, GitHub's default one is taken."""
    storage = moor(hub, task("1"), base_branch=None)
    storage.land()
    storage.verify()
    storage.mirror()
    assert [pull["base"]["ref"] for pull in hub.pulls] == ["main"]


def test_a_pull_request_that_is_there_already(hub: GitHub):
    """Whoever made it, possibly a mirror that was killed, it is the voyage's."""
    storage = moor(hub, task("1"))
    storage.land()
    storage.verify()
    hub.faults.errors, hub.faults.only = 3, "/pulls"
    storage.mirror()
    assert storage.news()[2].startswith("no pull request: 503 ")
    asked = {"title": "Mine", "head": VOYAGE, "base": "main"}
    token = storage.token or ""
    made = hub.api("POST", f"/repos/{NAME}/pulls", f"Bearer {token}", json.dumps(asked).encode())
    storage.mirror()
    assert storage.news()[1:] == [made[1]["html_url"], None]
    assert len(hub.pulls) == 1


def test_a_pull_request_that_is_refused(hub: GitHub):
    """Status says why, the branch is there all the same, and later it is tried again."""
    storage = moor(hub, task("1"))
    head = storage.land()
    storage.verify()
    token = hub.token(write=[NAME], pulls=False)
    storage.give_token(token)
    storage.mirror()
    mirrored, pull, fault = storage.news()
    assert (mirrored, pull, remote(hub, BRANCH)) == (head, None, head)
    assert fault.startswith("no pull request: 403 ")
    assert "Resource not accessible by personal access token" in fault
    for state in ("errors", "down"):
        setattr(hub.faults, state, 3)
        storage.mirror(at=time.time() + 60)
        assert storage.news()[2] != fault
        fault = storage.news()[2]
    hub.faults.down, hub.tokens[token] = False, hub.tokens[storage.token or ""]
    storage.mirror(at=time.time() + 60)
    assert storage.news() == [head, hub.pulls[0]["html_url"], None]


HOSTILE = [
    "` @everyone `",
    "``` \n\n- 7 `Done`\n# Heading",
    "a\r\n\r\n<img src=x onerror=alert(1)> @octocat fixes #1",
    "[click](https://example.com) \x1b[31m \u202e \\`",
    "",
    "@" * 100_000,
]


def test_hostile_text_is_harmless():
    """What agents wrote is code, a line for each task, and there is an end to it."""
    subjects = [*HOSTILE, *(f"@{number}" * 200 for number in range(300))]
    tasks = [{**task(str(number)), "subject": text} for number, text in enumerate(subjects)]
    done: Json = {
        each["id"]: {**each, "metadata": {"note": each["subject"] + "\n"}} for each in tasks
    }
    paths = [f".github/{text}" for text in [*HOSTILE, *(f"{number}" for number in range(300))]]
    meta: Any = {"start": "1" * 40, "head": "0" * 40}
    body = pull_request.summary("https://github.com/a/b", VOYAGE, meta, done, paths)
    warning, _, body = body.partition("\n\n`verify.sh`")
    named = warning.splitlines()[3:-1]
    assert len(named) == 51
    assert all(line.isprintable() and not line.startswith("`") for line in named)
    head, empty, *lines = body.partition("\n\n[All")[0].splitlines()
    assert (head.count("306"), empty) == (1, "")
    assert len(lines) == 150
    assert len(body) < 65_536
    for number, line in enumerate(lines):
        assert re.fullmatch(rf"- `{number}\. [^`]*: [^`]*`", line)
        assert line.isprintable()
    linked: Any = {**tasks[1], "metadata": {"commit": "c" * 40}}
    link = f"[`{'c' * 12}`](https://github.com/a/b/commit/{'c' * 40})"
    line = pull_request.outcome("https://github.com/a/b", linked)
    assert re.fullmatch(re.escape(link) + r" `1\. [^`]*`", line)
    linked["metadata"]["commit"] = "](https://evil.example)"
    assert "evil" not in pull_request.outcome("https://github.com/a/b", linked)
