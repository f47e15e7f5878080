"""What is assumed of the lobby: how it makes and lists VMs, and how it refuses."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .access import CAPTAIN, LOBBY
from .results import Differs, Result, Unknown, json_objects
from .world import World

DESTINATION = re.compile(r"([\w.+-]+@)?[\w.:][\w.:-]*")
UNKNOWN_OPTION = r"(unknown|unrecogni[sz]ed|undefined|not defined|invalid).*\b{}\b"
GATEWAY_FAILURE = re.compile(r"failed to (connect|dial|create session|run command on VM)", re.I)
SIZES = ("--cpu=2", "--memory=4GB", "--disk=20GB", "--image=exeuntu")
RUNNING_S = 12
BOOT_S = 180
FEWEST_SESSIONS = 8


def lists_vms(world: World) -> str:
    """`ls` works at all; this comes first, since it writes the ssh_configs."""
    if not world.access.host_keys:
        raise Differs(f"your ssh knows no host key of {LOBBY}: type `ssh {LOBBY}` once")
    world.access.write_configs()
    return f"{len(world.list_vms())} VMs"


def runs_commands_at_once(world: World) -> str:
    """Eight commands share a connection."""
    return count_sessions(world, 8, LOBBY, "ls --json")


def count_sessions(world: World, many: int, host: str, command: str) -> str:
    """Run a command many times over the one shared connection. Returns how often that went well.

    A session that would need a connection of its own fails.
    """
    options = ("-o", "ProxyCommand=false", "-o", "ControlMaster=no")
    with ThreadPoolExecutor(many) as pool:
        jobs = [
            pool.submit(world.access.ssh, CAPTAIN, host, command, *options) for _ in range(many)
        ]
        results = [job.result() for job in jobs]
    failed = [result for result in results if result.status]
    good = f"{many - len(failed)} of {many}"
    if many - len(failed) < FEWEST_SESSIONS:
        raise Differs(f"{good}; {failed[0].summary}")
    return good


def makes_a_vm(world: World) -> str:
    """`new` makes storage, with a tag."""
    answer = world.new(world.storage, f"--tag={world.voyage}").answer
    return note_vm(world, world.storage, answer)


def takes_sizes(world: World) -> str:
    """`new` makes the ship as large as is asked for; it is made in any case."""
    result = world.new(world.ship, *SIZES)
    if not result.is_refused:
        return note_vm(world, world.ship, result.answer)
    note_vm(world, world.ship, world.new(world.ship).answer)
    raise Differs(f"{result.summary}; without them it was made")


def note_vm(world: World, name: str, answer: dict[str, Any]) -> str:
    """Look at the answer to `new`, and have ssh find the VM."""
    took_s = time.monotonic() - world.made_at[name]
    destination = str(answer.get("ssh_dest"))
    if answer.get("vm_name") != name or answer.get("error"):
        raise Differs(f"vm_name {answer.get('vm_name')!r}, error {answer.get('error')!r}")
    user, _, host = destination.rpartition("@")
    address = [f"  HostName {host}", f"  Port {answer.get('ssh_port', 22)}"]
    if user:
        address.append(f"  User {user}")
    world.access.addresses[name] = address
    world.access.write_configs()
    return f"after {took_s:.1f} s: ssh_dest {destination!r}, keys {' '.join(answer)}"


def says_where_a_vm_is(world: World) -> str:
    """The address is one that ocaptain can read."""
    row = world.list_vms()[world.storage]
    if not DESTINATION.fullmatch(str(row.get("ssh_dest"))):
        raise Differs(repr(row.get("ssh_dest")))
    address = "; ".join(line.strip() for line in world.access.addresses[world.storage])
    if not re.search(r"Port \d+(;|$)", address):
        raise Differs(address)
    return address


def lists_what_is_read(world: World) -> str:
    """`ls -l` has what ocaptain reads of it."""
    rows = world.list_vms()
    for name in world.access.addresses:
        lacking = {"ssh_dest", "status", "image"} - rows.get(name, {}).keys()
        if lacking:
            raise Differs(f"{name} has no {' '.join(sorted(lacking))}")
    row = rows[world.storage]
    return f"status {row['status']!r}, image {row['image']!r}, keys {' '.join(row)}"


def starts_vms_soon(world: World) -> str:
    """VMs run, and then answer SSH."""
    running_s = wait_until_running(world)
    answered = [f"{wait_for_answer(world, name):.1f} s" for name in world.access.addresses]
    times = f"running after {running_s:.1f} s, SSH after {', '.join(answered)}"
    if running_s > RUNNING_S:
        raise Differs(times)
    return f"{times}; before: {world.before_boot.summary}"


def wait_until_running(world: World) -> float:
    """Return the seconds from storage's making until it is listed as running."""
    made_at = world.made_at[world.storage]
    while True:
        status = world.list_vms()[world.storage]["status"]
        if status == "running":
            return time.monotonic() - made_at
        if time.monotonic() > made_at + BOOT_S:
            raise Differs(f"status is {status!r} after {BOOT_S} s")
        time.sleep(0.5)


def wait_for_answer(world: World, name: str) -> float:
    """Return the seconds from a VM's making until it runs a command."""
    made_at = world.made_at[name]
    while True:
        result = world.run_on(name, "echo up")
        if result.out.strip() == b"up":
            return time.monotonic() - made_at
        world.before_boot = result
        if b"verification failed" in result.err or time.monotonic() > made_at + BOOT_S:
            raise Differs(result.summary)
        time.sleep(1)


def gives_vms_its_host_key(world: World) -> str:
    """ssh finds the lobby's host key on a VM."""
    result = world.run_on(world.storage, "echo up")
    if b"verification failed" in result.err:
        raise Differs(result.summary)
    if result.status:
        raise Unknown(result.summary)
    return "it has"


def says_that_a_vm_does_not_answer(world: World) -> str:
    """What came before a VM was up is known for what it is."""
    before = world.before_boot
    if not before.text.strip():
        raise Unknown("both VMs answered at once")
    if before.status != 255 and not GATEWAY_FAILURE.search(before.text):
        raise Differs(before.summary)
    return before.summary


def refuses_digits_at_the_end(world: World) -> str:
    """A name like `voyage-1` is refused."""
    return check_refused(world.new(f"{world.voyage}-1"))


def refuses_a_name_that_is_taken(world: World) -> str:
    """A second VM of the same name is refused."""
    return check_refused(world.new(world.storage))


def check_refused(result: Result) -> str:
    """Return the refusal. Raises Differs if there was none."""
    if not result.is_refused:
        raise Differs("it was done")
    return result.summary


def words_errors_in_json(world: World) -> str:
    """A refusal is an object of its own, and no exit status of ssh's."""
    result = world.lobby("restart", f"{world.voyage}-nowhere")
    if not result.errors or result.status in (0, 255):
        raise Differs(result.summary)
    stream = "stdout" if json_objects(result.out) else "stderr"
    return f"on {stream}, {result.summary}"


def refuses_unknown_options(world: World) -> str:
    """An option that it does not know is named as such, and nothing is done."""
    result = world.add_key("ship1", "--no-such=thing")
    if not result.is_refused:
        world.lobby("ssh-key remove", world.access.keys["ship1"])
        raise Differs("the key was added, for the whole account; it is removed again")
    if not names_unknown_option(result, "no-such"):
        raise Differs(result.summary)
    return result.summary


def names_unknown_option(result: Result, option: str) -> bool:
    """Whether an option is refused in words that ocaptain takes for: the lobby has no such."""
    return re.search(UNKNOWN_OPTION.format(option), result.text, re.I) is not None


def removes_what_there_is(world: World) -> str:
    """`rm` with a name that is none removes the others."""
    missing = f"{world.voyage}-ship8"
    result = world.lobby("rm", world.storage, missing, world.ship)
    left = {world.storage, world.ship} & world.list_vms().keys()
    if left or not result.is_refused:
        raise Differs(f"left: {' '.join(left) or 'none'}; {result.summary}")
    keys: set[str] = set()
    for document in result.documents:
        keys.update(document)
    return f"keys {' '.join(sorted(keys))}; {result.summary}"
