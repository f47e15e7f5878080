"""What the captain may ask of storage: each operation is a function of a `Call`, as in harbor.py,
that returns its answer or raises `Refused`. docs/json.md has the shapes of `status` and `tasks`.

An order's answer has `message`, a sentence for people; given again, the order changes nothing."""

from collections import Counter
from collections.abc import Iterator

from .. import tasklist
from ..protocol import Task
from ..text import several
from . import harbor
from .harbor import Call, Json, Refused, cost, end_claim, set_aside, text, voyage_state
from .journal import Damaged

RESTING = {"complete": "done", "failed": "done", "paused": "paused", "halted": "paused"}
VERIFY = {"complete": "passed", "verifying": "running"}
ENDS = ("complete", "failed", "paused", "halted", "stalled")
NOTED = ("head", "mirrored", "pr_url", "mirror_fault", "notify_fault")
STOPPED = "Nothing more is handed out; {} will {}."
OVER = "Nothing is handed out: the voyage is {}. See: ocaptain status; to have it: ocaptain fetch"
LISTS = {"task": "ocaptain tasks", "ship": "ocaptain status"}
INSTEAD = "cannot be told anything; change its tasks: ocaptain tasks edit TASK"
SAMPLE: Json = {"blockedBy": ["1", "2"], "files": ["src/a.py"], "metadata": {}, "run": "make"}
SAMPLE |= dict.fromkeys(harbor.TEXTS, "some text")
TOLD = ("voyage", "name", "objective", "repo", "agent", "created")


def status(call: Call) -> Json:
    """The voyage at a glance."""
    state, reason = voyage_state(call)
    ships = [ship(call, name, RESTING.get(state, "waiting")) for name in crew(call)]
    red = call.meta.get("repairs") or call.meta.get("failed_reason")
    told = {key: call.voyage[key] for key in TOLD} | {key: call.meta.get(key) for key in NOTED}
    told |= {"tasks": tasklist.counts(call.tasks), "cost_usd": round(cost(call), 4)}
    told |= {"branch": call.voyage["voyage"], "ships": ships}
    told["verify"] = VERIFY.get(state, "failed" if red else "pending")
    return told | seen(call, state, reason, {ship["state"] for ship in ships})


def seen(call: Call, state: str, reason: str | None, ships: set[str]) -> dict[str, str | None]:
    """The voyage's state and its reason, with what its ships' silence adds to it."""
    if state in ("complete", "failed") or ships - {"lost", "starting", "relieved"}:
        return {"state": state, "reason": reason}
    if ships and "last_call_at" not in call.meta:
        return {"state": "provisioning", "reason": "no ship has called in yet"}
    return {"state": "stalled", "reason": "no ship that takes tasks is being heard from"}


def crew(call: Call) -> list[str]:
    """The ships' names, by their numbers."""
    return sorted(call.ships, key=lambda name: (len(name), name))


def ship(call: Call, name: str, resting: str) -> Json:
    """One ship as it last said of itself, or lost where that is too long ago; `resting` is what the
    state of one is that has nothing to do."""
    said = call.ships[name]
    told = {key: said.get(key) or None for key in ("task", "subject", "since", "reason", "until")}
    resting = "relieved" if said.get("relieved") else resting
    state = resting if said["state"] == "waiting" else said["state"]
    seen_s = (
        None
        if said["last_seen_at"] is None
        else max(0.0, round(call.now - said["last_seen_at"], 1))
    )
    if seen_s and seen_s > max(call.voyage["lease_seconds"] / 2, 5):
        state, told["reason"] = "lost", f"not heard from for {seen_s:.0f} s"
    mine = [claim for claim in call.claims.values() if claim["ship"] == name]
    landed = [claim for claim in mine if claim["state"] == "landed" and claim["task"]]
    counts = {"completed": len(landed), "hails": len(harbor.unheard(call, name))}
    spent = sum(float(claim.get("cost_usd", 0)) for claim in mine)
    told |= {"cost_usd": round(spent, 4), "seen_s": seen_s, **counts}
    return {"id": name, "state": state, **told}


def tasks(call: Call) -> Json:
    """Every task, in the order of ids."""
    listed = sorted(call.tasks.values(), key=lambda task: tasklist.order(task["id"]))
    return {"tasks": [row(call, task) for task in listed]}


def row(call: Call, task: Task) -> Json:
    """One task as `tasks --json` has it."""
    notes = tasklist.metadata(task)
    what = {"id": task["id"], "subject": task.get("subject", ""), "status": tasklist.state(task)}
    who = {"owner": task.get("owner"), "blocked_by": tasklist.waiting_for(task, call.tasks)}
    how = {"claim": notes.get("claim"), "attempts": notes.get("attempts", 0)}
    end = {"commit": notes.get("commit"), "reason": notes.get("failed") or notes.get("note")}
    return {**what, **who, **how, **end}


def unfetched(call: Call) -> Json:
    """What storage alone has: commits on the branch, and `wrecks` by ref, that nobody fetched and
    origin does not have."""
    home, head = call.meta.get("fetched", {}), call.meta["head"]
    safe = [home.get("head"), call.meta.get("mirrored"), call.meta["start"]]
    count = call.git("rev-list", "--count", head, "--not", *filter(None, safe))
    left = {wreck["ref"]: wreck["commit"] for wreck in harbor.wrecks(call, call.claims.values())}
    new = dict(sorted(left.items() - home.items()))
    return {"head": head, "commits": int(count or 0), "wrecks": new}


def fetched(call: Call) -> Json:
    """`refs`: what the captain has brought home (`head`, and wrecks by their ref), by commit."""
    call.put("meta", fetched={**call.meta.get("fetched", {}), **call.request["refs"]})
    return {}


def voyage_record(call: Call) -> Json:
    """What another ship is made from: voyage.json, the plan's files, and the ships by now."""
    plans = (call.journal.folder / "artifacts").glob("*.[ms][dh]")
    files = {path.name: path.read_text() for path in plans}
    return {"voyage": call.voyage, "artifacts": files, "ships": crew(call)}


def starting_ship(name: str) -> Json:
    """What storage knows of a ship that has not called yet."""
    return {"id": name, "state": "starting", "claim": None, "task": None, "last_seen_at": None}


def news(call: Call) -> dict[str, str]:
    """What a captain wants to be told of, as it is now: sentences, by what each is about."""
    seen, told = status(call), {f"task {i}": why for i, why in set_aside(call).items()}
    if seen["state"] in ENDS:
        told[seen["state"]] = seen["reason"] or seen["objective"]
    return told


# Orders


def ordered(call: Call, what: str) -> str:
    """What was ordered, by whom and why."""
    by, why = text(call.request, "by") or "the captain", text(call.request, "why")
    return f"{what} by {by}{why and ': '}{why}"


def pause(call: Call) -> Json:
    """Hand nothing out any more."""
    if not call.meta.get("paused"):
        call.put("meta", paused={"state": "paused", "reason": ordered(call, "paused")})
    return {"message": STOPPED.format(several(len(call.live()), "ship"), "work on to the end")}


def halt(call: Call) -> Json:
    """The same, and stop what ships are at."""
    why, held = ordered(call, "halted"), call.live()
    for claim in held:
        end_claim(call, claim, "released", why, None)
    call.put("meta", paused={"state": "halted", "reason": why})
    return {"message": STOPPED.format(several(len(held), "ship"), "save what is done, and stop")}


def resume(call: Call) -> Json:
    """End a pause or a halt; `message` has what comes of that."""
    call.put("meta", paused=None)
    state, why = voyage_state(call)
    over = OVER.format(f"{state}, {why}" if why else state)
    return {"message": "Tasks are handed out." if state in ("running", "verifying") else over}


def relieve(call: Call) -> Json:
    """Give `ship` nothing more to do; `done` says whether it has nothing to do now."""
    ship = named(call, "ship")
    call.put("ships", **{ship["id"]: {**ship, "relieved": True}})
    done = not call.live(ship["id"])
    when = "" if done else " once its task is over"
    return {"message": f"{ship['id']} is relieved{when}.", "done": done}


def named(call: Call, kind: str, name: str | None = None) -> Json:
    """The `ship` or the `task` of that name, or the one that the request names."""
    name = text(call.request, kind) if name is None else name
    if name not in call.sections[f"{kind}s"]:
        raise Refused(kind, f"there is no {kind} {name!r}; those that there are: {LISTS[kind]}")
    return dict(call.sections[f"{kind}s"][name])


def retry(call: Call) -> Json:
    """Bring `task` back, which was set aside; or `verify`, that was given up."""
    if call.request.get("task") == "verify":
        call.put("meta", failed_reason=None, repairs=None)
        return {"message": "verify.sh runs again once every task is completed."}
    task = named(call, "task")
    if (state := tasklist.state(task)) != "failed":
        return {"message": f"Task {task['id']} is {state}, and was not set aside."}
    call.put_task(task["id"], dict.fromkeys(("failed", "attempts", "interruptions")))
    return {"message": f"Task {task['id']} is pending again."}


def release(call: Call) -> Json:
    """Take `task` from the ship that has it."""
    task = named(call, "task")
    for held in call.live():
        if held["task"] == task["id"]:
            end_claim(call, held, "released", ordered(call, "released"), None)
            return {"message": f"Task {task['id']} is pending again; {held['ship']} drops it."}
    return {"message": f"No ship has task {task['id']}; it is {tasklist.state(task)}."}


def edit_task(call: Call) -> Json:
    """Change `task` by `fields`; where no task is named, that is a new one. `id` is the task's."""
    given, told = call.request["fields"], call.request.get("task")
    judge(given)
    new = {"id": tasklist.new_id(call.tasks), **harbor.BLANK, "metadata": {"addedBy": "captain"}}
    task = named(call, "task") if told else new
    if tasklist.state(task) == "completed":
        raise Refused("task", f"task {told} is completed; add one that mends what it did")
    link(call, {**task, "blockedBy": given.get("blockedBy", tasklist.blockers(task))})
    notes = {k: v for k, v in tasklist.metadata(given).items() if k in ("files", "run")}
    call.put_task(task["id"], notes, **harbor.texts(given))
    late = "; its ship goes on with it as it was" * (tasklist.state(task) == "in_progress")
    return {"message": f"Task {task['id']} is in the list{late}.", "id": task["id"]}


def judge(given: Json) -> None:
    """Refuse fields of a task that are not like those of SAMPLE."""
    fields = {**given, **tasklist.metadata(given)}
    for key, like in SAMPLE.items():
        value = fields.get(key, like)
        texts = value if isinstance(value, list) else ()
        if not isinstance(value, type(like)) or not all(isinstance(each, str) for each in texts):
            raise Refused("task", f"{key} of a task is like {like}, not {value!r:.60}")


def link(call: Call, task: Task) -> None:
    """Put a task, and tell the others what they block; Refused where its blockers cannot be."""
    tasks = {**call.tasks, task["id"]: task}
    for blocker in tasklist.blockers(task):
        named(call, "task", blocker)
    try:
        tasklist.chains(tasks)
    except ValueError as circle:
        raise Refused("task", f"a circle of blockers: {' → '.join(circle.args[1])}") from None
    for task_id, blocks in tasklist.dependants(tasks).items():
        if task_id == task["id"] or {*blocks} != {*(tasks[task_id].get("blocks") or ())}:
            call.put("tasks", **{task_id: {**tasks[task_id], "blocks": blocks}})


def hail(call: Call) -> Json:
    """Leave a message, `text`, for the agent of `ship`, or of all; `ships` has whose."""
    if not call.voyage["interactive"]:
        raise Refused("hail", f"the agent {call.voyage['agent']} {INSTEAD}")
    ships = [named(call, "ship")["id"]] if call.request.get("ship") else crew(call)
    told = {"text": text(call.request, "text"), "delivered_at": None}
    for number, name in enumerate(ships, 1 + len(call.sections["hails"])):
        call.put("hails", **{str(number): {"ship": name, **told}})
    return {"message": f"The message is on its way to {', '.join(ships)}.", "ships": ships}


def update_ships(call: Call) -> Json:
    """Ships that are `lost` leave what they held, and are nobody here any more; so many are
    to come by `add`: `new` has their names, with numbers that none ever had."""
    gone, first = call.ships.keys() & call.request["lost"], call.meta["next_ship"]
    new = [f"ship-{number}" for number in range(first, first + call.request["add"])]
    for held in [held for held in call.live() if held["ship"] in gone]:
        end_claim(call, held, "expired", f"{held['ship']} is gone")
    if gone or new:
        call.put("ships", **dict.fromkeys(gone), **{n: starting_ship(n) for n in new})
        call.put("meta", next_ship=first + len(new))
    say = f"{', '.join(sorted(gone)) or 'No ship'} left, {', '.join(new) or 'none'} joined."
    return {"message": say, "new": new}


# fsck: journal, task list and repository against each other


def fsck(call: Call) -> Json:
    """Write anew what follows from the journal; what else is wrong are `faults`, and what was wrong
    and is not any more is `mended`."""
    branch, faults = call.git("rev-parse", f"refs/heads/{call.journal.voyage}"), list[str]()
    if branch != call.meta["head"]:
        call.journal.note(f"put the branch back to {call.meta['head']}, from {branch or 'nowhere'}")
    try:
        if (whole := call.journal.reread()) != call.journal.sections:
            call.tasks, call.claims, call.meta = whole["tasks"], whole["claims"], whole["meta"]
            (call.journal.folder / "state.json").unlink(missing_ok=True)
            call.journal.note("removed state.json, which was not what the journal makes")
    except Damaged as why:
        faults.append(f"{why}; state.json has what came of it")
    faults += [*claim_faults(call), *repository_faults(call)]
    say = f"{several(len(faults), 'fault')}." if faults else "All is sound."
    return {"message": say, "faults": faults, "mended": call.journal.notes}


def claim_faults(call: Call) -> Iterator[str]:
    """Whether one claim holds each task in progress, and one landed each that is completed."""
    counts = Counter((claim["task"], claim["state"]) for claim in call.claims.values())
    for task_id, task in call.tasks.items():
        for state, status in (("live", "in_progress"), ("landed", "completed")):
            if (n := counts[task_id, state]) != (task["status"] == status):
                yield f"task {task_id} is {task['status']}, and {n} of its claims are {state}"


def repository_faults(call: Call) -> Iterator[str]:
    """Whether the branch has every commit that landed, and git can read all that it keeps."""
    there = call.git("rev-list", call.meta["head"], f"^{call.meta['start']}").split()
    for claim in call.claims.values():
        if claim["state"] == "landed" and claim["task"] and claim["commit"] not in (None, *there):
            yield f"the branch lacks {claim['commit']}, with which task {claim['task']} landed"
    status, out, err = call.journal.git("fsck", "--connectivity-only", "--no-dangling")
    if status:
        yield f"repo.git: git fsck says: {' '.join((out + err).split())[:1000]}"


ORDERS = (pause, halt, resume, relieve, retry, release, edit_task, hail, update_ships, fsck)
OPERATIONS = {f.__name__: f for f in (status, tasks, unfetched, fetched, voyage_record, *ORDERS)}
