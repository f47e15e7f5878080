"""The namespaces that a stand-in lives in: when its test process goes, all of it goes."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

INSIDE = Path(__file__).parent / "inside"
PLACE = Path("/run/exe")  # where the stand-in's files are, as the room sees it
TOOLS = ("git", "mount", "nsenter", "python3", "setpriv", "sshd", "sshfs", "sudo", "tmux")


def lacking() -> str:
    """Why there can be no stand-in here; empty where there can."""
    if os.geteuid():
        return "only root can make VMs of namespaces"
    missing = [tool for tool in TOOLS if not shutil.which(tool, path="/usr/sbin:/usr/bin")]
    return f"there is no {', '.join(missing)}" if missing else ""


class Room:
    """A mount and a PID namespace, which end when `close` is called or this process ends.

    Its first process reads from a pipe that only this process holds the other end of; at the
    end of file it exits, and the kernel kills the rest and drops the mounts.
    """

    def __init__(self) -> None:
        command = ["unshare", "--mount", "--pid", "--fork", "--mount-proc"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.keeper = subprocess.Popen(
            [*command, "sh", INSIDE / "room.sh"], start_new_session=True, text=True, **pipes
        )
        assert self.keeper.stdout
        if not self.keeper.stdout.readline():
            self.close()
            raise RuntimeError("the room could not be made")
        proc = Path(f"/proc/{self.keeper.pid}")
        self.root = proc / "root"
        self.place = self.root / PLACE.relative_to("/")
        namespaces = [f"--mount={proc}/ns/mnt", f"--pid={proc}/ns/pid_for_children"]
        self.enter = ["nsenter", *namespaces, "--"]

    def start(self, *argv: object, **how: Any) -> subprocess.Popen[bytes]:
        """Start a program in the room."""
        words = [*self.enter, *map(str, argv)]
        with (self.place / "log").open("ab") as log:
            return subprocess.Popen(words, start_new_session=True, stderr=log, **how)

    def run(self, *argv: object, check: bool = True) -> None:
        """Run a program in the room, to its end."""
        done = subprocess.run([*self.enter, *map(str, argv)], capture_output=True)
        if check and done.returncode:
            raise RuntimeError(f"{argv}: {done.stderr.decode()}")

    def sockets(self, pid: int) -> set[str]:
        """The inodes of sockets that processes of the VM whose init is `pid` have open."""
        found = set()
        for fd in (self.root / f"proc/{pid}/root/proc").glob("[0-9]*/fd/*"):
            try:
                found |= set(re.findall(r"socket:\[(\d+)\]", str(fd.readlink())))
            except OSError:
                continue
        return found

    def close(self) -> None:
        """End everything in the room."""
        for pipe in (self.keeper.stdin, self.keeper.stdout):
            if pipe:
                pipe.close()
        self.keeper.wait()
