#!/usr/bin/python3 -IS
"""A VM's first process: as much of systemd as services in /etc/systemd/system need.

A control group is approximated by what descends from a service's processes, or has the
INVOCATION_ID of its present run in its environment.
"""

import getopt
import json
import math
import os
import pwd
import re
import selectors
import shlex
import signal
import socket
import struct
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

UNITS = Path("/etc/systemd/system")
WANTED = UNITS / "multi-user.target.wants"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LONG = ["now", "quiet", "no-pager", "no-block", "value", "signal=", "kill-whom=", "property="]
SPANS = {"ms": 0.001, "": 1, "s": 1, "sec": 1, "min": 60, "h": 3600}


class Refused(Exception):
    """What systemctl prints, and its exit status."""


def seconds(text: str) -> float:
    """The length of a time span."""
    if text == "infinity":
        return math.inf
    return sum(float(n) * SPANS[unit] for n, unit in re.findall(r"([\d.]+)\s*([a-z]*)", text))


def settings(path: Path) -> dict[str, list[str]]:
    """What a unit file assigns; an empty assignment takes back those before it."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().replace("\\\n", " ").splitlines():
        name, assigned, value = line.strip().partition("=")
        if assigned and name[0] not in "#;":
            found[name.strip()] = [*found.get(name.strip(), []), value.strip()] if value else []
    return found


def command(text: str, env: dict[str, str]) -> list[str]:
    """The words of a command line, with systemd's own idea of % and $."""
    words = [word.replace("%%", "%") for word in shlex.split(text.lstrip("-@:+!"))]

    def value(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else env.get(match[1], "")

    expanded = []
    for word in words:
        if whole := re.fullmatch(r"\$(\w+)", word):
            expanded += env.get(whole[1], "").split()
        else:
            expanded.append(re.sub(r"\$\$|\$\{(\w+)\}", value, word))
    return expanded


def members(main: int, mark: str) -> set[int]:
    """The processes of a service's present run."""
    parents, found = {}, {main} - {0}
    for proc in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, parent = (proc / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(proc.name)] = int(parent)
                if f"INVOCATION_ID={mark}".encode() in (proc / "environ").read_bytes():
                    found.add(int(proc.name))
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found & parents.keys()


def send(pids: set[int], number: int) -> None:
    """Send a signal to processes that may be gone."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


class Unit:
    """A service. `due` is when something is to happen to it by itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = self.then = "inactive"
        self.main = self.restarts = 0
        self.mark = ""
        self.due = math.inf
        self.starts: list[float] = []
        self.settings = settings(UNITS / name)

    def get(self, name: str, default: str) -> str:
        """The last value of a setting."""
        return (self.settings.get(name) or [default])[-1]

    def start(self) -> None:
        """Start it, unless that was tried too often."""
        now, interval = time.monotonic(), seconds(self.get("StartLimitIntervalSec", "10s"))
        self.starts = [*(at for at in self.starts if at > now - interval), now]
        self.due = math.inf
        if interval and len(self.starts) > int(self.get("StartLimitBurst", "5")):
            self.state = "failed"
            return
        self.state, self.mark = "active", uuid.uuid4().hex
        self.main = os.fork()
        if not self.main:
            self._exec()

    def _exec(self) -> None:
        status = 217  # systemd's for a user that there is none of
        try:
            user = pwd.getpwnam(self.get("User", "root"))
            status = 203  # and for a program
            env = {"PATH": PATH, "LANG": "C.UTF-8", "INVOCATION_ID": self.mark}
            env |= {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
            env |= {"SHELL": user.pw_shell}
            given = [
                word for line in self.settings.get("Environment", []) for word in shlex.split(line)
            ]
            env |= dict(word.split("=", 1) for word in given)
            words = command(self.get("ExecStart", ""), env)
            self._become(user)
            os.execvpe(words[0], words, env)
        finally:
            os._exit(status)

    def _become(self, user: pwd.struct_passwd) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        to = self.get("StandardOutput", "journal").partition(":")[2] or f"/var/log/{self.name}.log"
        log = os.open(to, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.setsid()
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os.chdir(self.get("WorkingDirectory", "/"))

    def stop(self) -> None:
        """Begin to stop it."""
        self.then = "inactive"
        if self.state == "active":
            self._end()
        elif self.state != "deactivating":
            self.state, self.due = "inactive", math.inf

    def died(self, status: int) -> None:
        """Its main process has ended: end the rest, and see what comes then."""
        self.main = 0
        good = status in (0, signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
        if self.state == "active":
            policy = self.get("Restart", "no")
            again = policy == "always" or policy == ("on-success" if good else "on-failure")
            self.then = "activating" if again else "inactive" if good else "failed"
            self._end()

    def _end(self) -> None:
        self.state = "deactivating"
        self.due = time.monotonic() + seconds(self.get("TimeoutStopSec", "90s"))
        if self.get("KillMode", "control-group") != "control-group":
            self._terminate({self.main} - {0})
            return
        # Somebody may be born meanwhile: as systemd does, look until there is nobody new.
        told: set[int] = set()
        while new := members(self.main, self.mark) - told:
            self._terminate(new)
            told |= new

    @staticmethod
    def _terminate(group: set[int]) -> None:
        send(group, signal.SIGTERM)
        send(group, signal.SIGCONT)

    def settle(self) -> None:
        """Go on once all of its processes have ended."""
        alone = self.get("KillMode", "control-group") == "process"
        if self.state == "deactivating" and not self.main:
            if alone or not members(0, self.mark):
                self.state, self.due = self.then, math.inf
            if self.state == "activating":
                self.due = time.monotonic() + seconds(self.get("RestartSec", "100ms"))

    def on_time(self) -> None:
        """Do what is due."""
        if self.state == "deactivating":
            self.due = math.inf
            send(members(self.main, self.mark), signal.SIGKILL)
        else:
            self.restarts += 1
            self.start()


class Init:
    """Runs units, buries processes, and answers systemctl."""

    def __init__(self) -> None:
        self.units: dict[str, Unit] = {}
        self.selector = selectors.DefaultSelector()
        wake, wakeup = os.pipe()
        for fd in (wake, wakeup):
            os.set_blocking(fd, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        self.selector.register(wake, selectors.EVENT_READ, lambda: self.bury(wake))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("/run/systemd/private")
        Path("/run/systemd/private").chmod(0o666)
        listener.listen()
        listener.setblocking(False)
        self.selector.register(listener, selectors.EVENT_READ, lambda: self.answer(listener))

    def turn(self) -> None:
        """Wait for the next thing to happen, and see to it."""
        due = min((unit.due for unit in self.units.values()), default=math.inf)
        wait = None if due == math.inf else max(0, due - time.monotonic())
        for key, _ in self.selector.select(wait):
            with suppress(BlockingIOError):
                key.data()
        for unit in self.units.values():
            if unit.due <= time.monotonic():
                unit.on_time()
            unit.settle()

    def bury(self, wake: int) -> None:
        """Take note of processes that ended."""
        os.read(wake, 4096)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                for unit in self.units.values():
                    if unit.main == ended[0]:
                        unit.died(ended[1])

    def answer(self, listener: socket.socket) -> None:
        """Do what one systemctl asks for."""
        with listener.accept()[0] as asker, suppress(OSError):
            asker.setblocking(True)
            form = "3i"
            who = asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(form))
            with asker.makefile() as lines:
                words = json.loads(lines.readline())
            out, err, status = self.systemctl(words, root=struct.unpack(form, who)[1] == 0)
            asker.sendall(json.dumps({"out": out, "err": err, "status": status}).encode() + b"\n")

    def systemctl(self, words: list[str], root: bool) -> tuple[str, str, int]:
        """What systemctl prints, and its exit status."""
        try:
            pairs, (verb, *names) = getopt.gnu_getopt(words, "qp:s:", LONG)
            options = dict(pairs)
            names = [name if "." in name else f"{name}.service" for name in names]
            method = getattr(self, "do_" + verb.replace("-", "_"), None)
            if method is None:
                raise Refused(f"Unknown command verb {verb}.", 1)
            if not root and not verb.startswith(("is-", "show")):
                raise Refused(f"Failed to {verb}: Interactive authentication required.", 1)
            out, status = method(names, options)
        except (getopt.GetoptError, ValueError) as error:
            return "", f"{error}\n", 1
        except Refused as refusal:
            return "", f"{refusal.args[0]}\n", refusal.args[1]
        return "" if {"-q", "--quiet"} & options.keys() else out, "", status

    def unit(self, name: str, verb: str) -> Unit:
        """A unit by its name, read when it is first wanted."""
        if verb == "start" and (UNITS / name).resolve() == Path(os.devnull):
            raise Refused(f"Failed to {verb} {name}: Unit {name} is masked.", 1)
        if name not in self.units:
            if not (UNITS / name).exists():
                raise Refused(f"Failed to {verb} {name}: Unit {name} not found.", 5)
            self.units[name] = Unit(name)
        return self.units[name]

    def do_daemon_reload(self, names, options):
        for unit in self.units.values():
            with suppress(FileNotFoundError):
                unit.settings = settings(UNITS / unit.name)
        return "", 0

    def do_enable(self, names, options):
        WANTED.mkdir(exist_ok=True)
        for name in names:
            if not (UNITS / name).exists():
                raise Refused(f"Failed to enable unit: Unit file {name} does not exist.", 1)
            if not (WANTED / name).is_symlink():
                (WANTED / name).symlink_to(UNITS / name)
        return self.do_start(names, options) if "--now" in options else ("", 0)

    def do_disable(self, names, options):
        for name in names:
            (WANTED / name).unlink(missing_ok=True)
        return self.do_stop(names, options) if "--now" in options else ("", 0)

    def do_mask(self, names, options):
        for name in names:
            if (UNITS / name).exists() and not (UNITS / name).is_symlink():
                raise Refused(f"Failed to mask unit, file {UNITS / name} already exists.", 1)
            if not (UNITS / name).is_symlink():
                (UNITS / name).symlink_to(os.devnull)
        loaded = [name for name in names if name in self.units]
        return self.do_stop(loaded, options) if "--now" in options else ("", 0)

    def do_start(self, names, options):
        for unit in [self.unit(name, "start") for name in names]:
            while unit.state == "deactivating":
                self.turn()
            if unit.state != "active":
                unit.start()
            if unit.state == "failed":
                raise Refused(f"Job for {unit.name} failed.", 1)
        return "", 0

    def do_stop(self, names, options):
        for unit in [self.unit(name, "stop") for name in names]:
            unit.stop()
            while unit.state == "deactivating":
                self.turn()
        return "", 0

    def do_restart(self, names, options):
        self.do_stop(names, options)
        return self.do_start(names, options)

    def do_kill(self, names, options):
        name = options.get("-s", options.get("--signal", "TERM")).removeprefix("SIG")
        number = int(name) if name.isdigit() else signal.Signals[f"SIG{name}"]
        for unit in [self.unit(name, "kill") for name in names]:
            main_only = options.get("--kill-whom") == "main"
            send({unit.main} if main_only else members(unit.main, unit.mark), number)
        return "", 0

    def do_reset_failed(self, names, options):
        for unit in [self.unit(name, "reset-failed") for name in names]:
            unit.starts, unit.state = [], unit.state.replace("failed", "inactive")
        return "", 0

    def do_is_active(self, names, options):
        states = [self.units[name].state if name in self.units else "inactive" for name in names]
        return "".join(f"{state}\n" for state in states), 0 if "active" in states else 3

    def do_is_enabled(self, names, options):
        enabled = [(WANTED / name).is_symlink() for name in names]
        return "".join(f"{'enabled' if yes else 'disabled'}\n" for yes in enabled), int(
            not any(enabled)
        )

    def do_show(self, names, options):
        unit = self.unit(names[0], "show")
        about = {"ActiveState": unit.state, "MainPID": unit.main, "NRestarts": unit.restarts}
        wanted = options.get("-p", options.get("--property", ",".join(about))).split(",")
        bare = "--value" in options
        return "".join(f"{about[x]}\n" if bare else f"{x}={about[x]}\n" for x in wanted), 0


def main() -> None:
    init = Init()
    for link in sorted(WANTED.glob("*.service")):
        with suppress(Refused):
            init.unit(link.name, "start").start()
    print("ready", flush=True)
    os.dup2(os.open(os.devnull, os.O_RDWR), sys.stdout.fileno())
    while True:
        init.turn()


main()
