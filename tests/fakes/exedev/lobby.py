"""The lobby: what `ssh exe.dev COMMAND` does, in exe.dev's own JSON and words."""

import base64
import fnmatch
import hashlib
import json
import os
import random
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TextIO, cast

from .account import Account, Json, Key
from .grammar import GRAMMARS, Call, Refused, parse
from .machine import Machine

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]*")
CAP = (
    "You have reached the maximum number of VMs allowed on your plan. "
    "Delete an existing VM to create a new one."
)
NONE = "No VMs found. Create one with 'new'."
REGION = {"region": "PDX", "region_display": "Oregon, USA"}


class Lost(Exception):
    """The connection drops before the command is answered."""


class Lobby:
    """Runs commands for keys. `new_machine` makes a VM of a name and tags, like another or not."""

    def __init__(
        self,
        account: Account,
        machines: dict[str, Machine],
        new_machine: Callable[[str, list[str], Machine | None], Machine],
        closing: threading.Event,
    ) -> None:
        self.closing = closing
        self.account = account
        self.faults = account.faults
        self.machines = machines
        self.new_machine = new_machine
        self.commands: list[str] = []
        self.lock = threading.RLock()
        self.reserved: set[str] = set()

    # --- sessions -----------------------------------------------------------------------------

    def serve(self, session: socket.socket) -> None:
        """Answer one session: its streams come over the socket, and its exit status goes back."""
        with session, ExitStack() as streams, suppress(Lost, OSError):
            message, stdin, out, err = _receive(session, streams)
            fingerprint, *lines = message.split("\n", 1)
            status = 0
            for line in lines or stdin:
                for key in [key for key in self.account.keys if key.fingerprint == fingerprint]:
                    status = self.run(Call(key, stdin), line, out, err)
            out.flush()
            err.flush()
            session.sendall(bytes([status]))

    def run(self, call: Call, line: str, out: TextIO, err: TextIO) -> int:
        """Run one command line; its exit status."""
        self.commands.append(line)
        try:
            self._admit(call, line)
            parse(call, line)
            answers = self._answer(call)
        except Refused as error:
            answers = [{"error": str(error)}]
        as_json = call.options.get("json")
        for answer in answers:
            failed = list(answer) == ["error"]
            stream = err if failed and (not as_json or self.faults.errors_to == "stderr") else out
            print(json.dumps(answer) if as_json else _text(answer), file=stream)
        return int(any(list(answer) == ["error"] for answer in answers))

    def _admit(self, call: Call, line: str) -> None:
        call.options["json"] = "--json" in line.split()
        if "vm" in call.key.scope and not self.faults.vm_key_in_lobby:
            raise Refused("permission denied")
        if self.faults.next("lobby_failures"):
            raise Refused("failed to connect to host: handshake failed")

    def _answer(self, call: Call) -> list[Json]:
        if call.options.get("help"):
            return [{"usage": GRAMMARS[call.command].usage}]
        method = getattr(self, "_" + re.sub("[ -]", "_", call.command))
        answer = method(call)
        return answer if isinstance(answer, list) else [answer]

    # --- VMs ----------------------------------------------------------------------------------

    def _visible(self, call: Call) -> list[Machine]:
        seen = list(self.machines.values())
        return [m for m in seen if call.key.sees(m.name, m.tags)]

    def _machine(self, call: Call, name: str) -> Machine:
        for machine in self._visible(call):
            if machine.name == name:
                return machine
        raise Refused(f'VM "{name}" not found')

    def _reserve(self, name: str) -> None:
        """Take a name that nobody has."""
        if not NAME.fullmatch(name):
            raise Refused(f'invalid VM name "{name}"')
        if re.search(r"-\d+$", name):
            raise Refused(f'invalid VM name "{name}": it may not end in a dash and digits')
        with self.lock:
            if name in self.faults.taken or name in self.machines or name in self.reserved:
                raise Refused(f'VM name "{name}" is not available')
            if len(self.machines) + len(self.reserved) >= self.faults.cap:
                raise Refused(CAP)
            self.reserved.add(name)

    def _make(self, name: str, tags: list[str], like: Machine | None = None) -> Machine:
        self._reserve(name)
        try:
            if self.closing.wait(self.faults.new_s):
                raise Lost
            return self.new_machine(name, tags, like)
        finally:
            self.reserved.discard(name)

    def _new(self, call: Call) -> Json:
        name = call.options.get("name") or (call.words or [_any_name()])[0]
        if len(call.options.get("comment", "").encode()) > 200:
            raise Refused("comment is too long")
        tags = call.options.get("tag", []) + [t for t in [call.key.scope.get("tag")] if t]
        machine = self._make(name, tags)
        machine.comment = call.options.get("comment", "")
        if self.faults.next("new_lost"):
            raise Lost
        ports = {"ssh_port": 22, "proxy_port": 8000}
        answer = {**_about(machine), **self._ssh(machine), **ports, "egress_policy": "all"}
        answer["ssh_command"] = f"ssh {answer['ssh_dest']}"
        failed = self.faults.next("new_errors")
        return answer | ({"error": "failed to attach integration"} if failed else {})

    def _cp(self, call: Call) -> Json:
        begun = time.monotonic()
        source = self._machine(call, call.word())
        name = call.words[1] if len(call.words) > 1 else _any_name()
        tags = source.tags if call.options.get("copy-tags", True) else []
        machine = self._make(name, tags, source)
        machine.comment = source.comment
        answer = {**_about(machine), **self._ssh(machine), "egress_policy": "all"}
        answer |= {"state": "starting", "source": source.name}
        answer |= {"name": answer.pop("vm_name"), "ssh": answer.pop("ssh_dest")}
        return {**answer, "elapsed": round(time.monotonic() - begun, 3)}

    def _ls(self, call: Call) -> Json:
        born = time.time() - self.faults.ls_lag_s
        pattern = (call.words or ["*"])[0]
        found = [m for m in self._visible(call) if m.created <= born]
        found = [m for m in found if fnmatch.fnmatchcase(m.name, pattern)]
        more: Json = {}
        if call.options.get("l"):
            sizes = {"memory_capacity_bytes": 8 << 30, "disk_capacity_bytes": 20 << 30}
            more = {"image": "exeuntu", "allocated_cpus": 2, **sizes}
        return {"vms": [self._row(machine) | more for machine in found]}

    def _row(self, machine: Machine) -> Json:
        state = {"status": machine.status, "egress_policy": "all"}
        return {**_about(machine), **self._ssh(machine), **REGION, **state}

    def _ssh(self, machine: Machine) -> Json:
        user = self.faults.ssh_user
        dest = f"{user}@{machine.address}" if user else machine.address
        route = {"ssh_dest": dest, "ssh_host": machine.address}
        return route | ({"ssh_user": user} if user else {})

    def _rm(self, call: Call) -> list[Json]:
        call.word()
        seen = {m.name for m in self._visible(call)}
        missing = [name for name in call.words if name not in seen]
        errors = {n: "failed to delete VM" for n in call.words if n in seen & self.faults.rm_fails}
        deleted = [name for name in call.words if name in seen - errors.keys()]
        for name in deleted:
            if machine := self.machines.pop(name, None):
                machine.destroy()
        answer: Json = {"deleted": deleted, "failed": [*missing, *errors]}
        answer |= {"not_found": missing} if missing else {}
        answer |= {"errors": errors} if errors else {}
        reasons = [f'VM "{name}" not found' for name in missing]
        reasons += [f'VM "{name}": {why}' for name, why in errors.items()]
        return [*({"error": reason} for reason in reasons), answer]

    def _restart(self, call: Call) -> Json:
        machine = self._machine(call, call.word())
        machine.crash()
        machine.switch_on()
        return {"status": "restarted", "vm_name": machine.name}

    def _tag(self, call: Call) -> Json:
        machine = self._machine(call, call.word())
        call.word(1)
        kept = [tag for tag in machine.tags if tag not in call.words[1:]]
        machine.tags = kept if call.options.get("d") else kept + call.words[1:]
        return {"vm_name": machine.name, "tags": machine.tags}

    def _comment(self, call: Call) -> Json:
        machine = self._machine(call, call.word())
        machine.comment = call.word(1)
        return {"vm_name": machine.name, "comment": machine.comment}

    # --- keys ---------------------------------------------------------------------------------

    def register(self, public: str, name: str, scope: dict[str, str]) -> Key:
        """Register a public key; type and base64 are what of it is kept."""
        kind, blob = public.split()[:2]
        digest = hashlib.sha256(base64.b64decode(blob)).digest()
        fingerprint = "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
        key = Key(name, f"{kind} {blob}", fingerprint, scope)
        self.account.keys.append(key)
        return key

    def _ssh_key_add(self, call: Call) -> Json:
        scope = self._scope(call)
        text = " ".join(call.words) or call.stdin.read()
        fields = text.split(maxsplit=2)
        if len(fields) < 2 or not fields[0].startswith(("ssh-", "ecdsa-", "sk-")):
            raise Refused("invalid SSH public key")
        with self.lock:
            if self.account.key(" ".join(fields[:2])):
                raise Refused("SSH key is already registered")
            name = fields[2].strip() if len(fields) > 2 else f"key-{len(self.account.keys)}"
            self.register(text, name, scope)
        added: Json = {"name": name, "status": "added"}
        return added | ({"permissions": scope} if scope else {})

    def _scope(self, call: Call) -> dict[str, str]:
        names = [name for name in ("tag", "vm", "ssh-user") if name in call.options]
        if self.faults.old_lobby and "vm" in names:
            raise Refused("unknown flag: --vm")
        if names not in ([], ["tag"], ["vm"], ["vm", "ssh-user"]):
            raise Refused(f"usage: {GRAMMARS[call.command].usage}")
        scope = {name.replace("-", "_"): call.options[name] for name in names}
        if call.key.scope and scope != call.key.scope:
            raise Refused("permission denied")
        if "vm" in scope:
            self._machine(call, scope["vm"])
        return scope

    def _ssh_key_list(self, call: Call) -> Json:
        return {"ssh_keys": [_shown(key, call.key) for key in self.account.keys]}

    def _ssh_key_remove(self, call: Call) -> Json:
        call.word()
        wanted = " ".join(call.words)
        blob = " ".join(wanted.split()[:2])
        for key in list(self.account.keys):
            if wanted in (key.name, key.fingerprint) or blob == key.public:
                self.account.keys.remove(key)
                return {"name": key.name, "status": "removed"}
        raise Refused(f'SSH key "{wanted}" not found')

    # --- the rest -----------------------------------------------------------------------------

    def _whoami(self, call: Call) -> Json:
        keys = [_shown(key, call.key) for key in self.account.keys]
        return {"email": self.account.email, **REGION, "ssh_keys": keys}

    def _help(self, call: Call) -> Json:
        return {"usage": "\n".join(grammar.usage for grammar in GRAMMARS.values())}

    def _exit(self, call: Call) -> list[Json]:
        return []

    def _true(self, call: Call) -> list[Json]:
        return []


def _receive(session: socket.socket, kept: ExitStack) -> tuple[str, TextIO, TextIO, TextIO]:
    message, fds, *_ = socket.recv_fds(session, 1 << 16, 3)
    stdin, out, err = (
        cast(TextIO, kept.enter_context(os.fdopen(fd, mode)))
        for fd, mode in zip(fds, "rww", strict=True)
    )
    while more := session.recv(1 << 16):
        message += more
    return message.decode(), stdin, out, err


def _about(machine: Machine) -> Json:
    url = {"https_url": f"https://{machine.name}.exe.xyz"}
    comment = {"comment": machine.comment} if machine.comment else {}
    facts = {"vm_name": machine.name, "tags": list(machine.tags), "created_at": machine.created_at}
    return {**facts, **url, **comment}


def _shown(key: Key, mine: Key) -> Json:
    known = {"public_key": key.public, "fingerprint": key.fingerprint, "name": key.name}
    return {**known, "current": key is mine}


def _any_name() -> str:
    return "-".join(random.sample(["amber", "brisk", "cedar", "delta", "ember", "fjord"], 3))


def _text(answer: Json) -> str:
    """What people are shown instead of JSON, roughly."""
    if "vms" in answer:
        rows = [f"{vm['vm_name']}  {vm['status']}  {vm['ssh_dest']}" for vm in answer["vms"]]
        return "\n".join(rows) or NONE
    return str(answer.get("error") or answer.get("usage") or json.dumps(answer))
