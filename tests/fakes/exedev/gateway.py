"""The network: one address for the lobby and one per VM, all with one host key, on port 22.

A connection is carried to a real `sshd -i` in the room, which lets every key in, each with the
forced command that its rights at that address call for. What a connection's end is called is
a VM's name, or LOBBY, or OUTSIDE for whoever is not a VM.
"""

import asyncio
import itertools
import socket
import subprocess
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .account import Account, Key
from .room import PLACE, Room

if TYPE_CHECKING:
    from .machine import Machine

LOBBY = "lobby"
OUTSIDE = "outside"
CHUNK = 1 << 16
CONFIG = """\
HostKey {place}/host_key
KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org
Subsystem sftp internal-sftp
AuthorizedKeysFile none
AuthorizedKeysCommandUser root
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
StrictModes no
UsePAM no
UseDNS no
MaxSessions 100
PrintMotd no
PrintLastLog no
"""


class Line:
    """A connection: from `source`, where that is known, to `to`."""

    def __init__(self, client: socket.socket, to: str, task: "asyncio.Task[None] | None") -> None:
        self.client = client
        self.to = to
        self.task = task
        self.source: str | None = None
        self.through = asyncio.Event()
        self.through.set()


class Gateway:
    """Listens, and carries. Its own thread runs the loop; other threads may call its methods."""

    def __init__(self, room: Room, account: Account, machines: Mapping[str, "Machine"]) -> None:
        self.room = room
        self.account = account
        self.faults = account.faults
        self.machines = machines
        self.accepted: Counter[str] = Counter()
        self.lines: set[Line] = set()
        self.cut: set[str] = set()
        self.recent: dict[str, deque[float]] = defaultdict(deque)
        self.silent_until: dict[str, float] = defaultdict(float)
        self.numbers = itertools.count()
        self.sshds: list[subprocess.Popen[bytes]] = []
        self.listeners: list[socket.socket] = []
        self.workers = ThreadPoolExecutor(64, "lobby")
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="exe.dev", daemon=True)
        self.thread.start()
        (room.place / "sshd_config").write_text(CONFIG.format(place=PLACE))

    def listen(self, listener: socket.socket, to: str) -> None:
        """Accept connections to a VM or the lobby from now on."""
        listener.setblocking(False)
        self.listeners.append(listener)
        self._spawn(self._accept(listener, to))

    def serve_lobby(self, path: Path, handle: Callable[[socket.socket], None]) -> None:
        """Have lobby commands, which come in over a Unix socket, handled in threads."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(64)
        listener.setblocking(False)
        self.listeners.append(listener)
        self._spawn(self._accept_commands(listener, handle))

    def abort(self, name: str) -> None:
        """Close all connections to a VM."""
        self._call(self._abort(lambda line: line.to == name))

    def cut_off(self, name: str) -> None:
        """Hold up whatever comes from a VM or goes to it."""
        self._call(self._cut_off(name))

    def reconnect(self, name: str) -> None:
        """Let it through again."""
        self._call(self._reconnect(name))

    def close(self) -> None:
        """End the network; the room has to be closed already."""
        self._call(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        self.workers.shutdown()
        for sshd in self.sshds:
            sshd.wait()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result()

    async def _accept_commands(
        self, listener: socket.socket, handle: Callable[[socket.socket], None]
    ) -> None:
        while True:
            command, _ = await self.loop.sock_accept(listener)
            command.setblocking(True)
            answered = self.workers.submit(handle, command)
            answered.add_done_callback(lambda done: done.result())  # whose errors are shown

    async def _accept(self, listener: socket.socket, to: str) -> None:
        while True:
            client, (_, port) = await self.loop.sock_accept(listener)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted[to] += 1
            line = Line(client, to, None)
            if self.cut or self.faults.burst is not None:
                line.source = self._source(port)
            self._hold_or_let(line)
            self.lines.add(line)
            line.task = self.loop.create_task(self._serve(line))
            line.task.add_done_callback(partial(self._hang_up, line))

    async def _serve(self, line: Line) -> None:
        try:
            if await self._admitted(line):
                await self._carry_to_sshd(line)
        except* OSError:
            pass  # one of the ends is gone

    def _hang_up(self, line: Line, _task: asyncio.Task[None]) -> None:
        """Close a connection, also one whose task was cancelled before it ran."""
        line.client.close()
        self.lines.discard(line)

    async def _admitted(self, line: Line) -> bool:
        """Wait as long as the connection gets no answer; whether it gets one at all."""
        await asyncio.sleep(max(self.faults.rtt_s, self._silence(line)))
        await line.through.wait()
        machine = self.machines.get(line.to)
        if line.to in self.faults.silent and machine:
            while await self.loop.sock_recv(line.client, CHUNK):
                continue
            return False
        return machine is None or machine.status == "running"

    def _silence(self, line: Line) -> float:
        """How long a connection goes unanswered because of a burst from its source, in seconds."""
        if self.faults.burst is None or line.source is None:
            return 0
        now, times = self.loop.time(), self.recent[line.source]
        times.append(now)
        while times[0] < now - 1:
            times.popleft()
        if now > self.silent_until[line.source] and len(times) > self.faults.burst:
            self.silent_until[line.source] = now + self.faults.silence_s
        return self.silent_until[line.source] - now

    async def _carry_to_sshd(self, line: Line) -> None:
        near, far = socket.socketpair()
        with near:
            with far:
                self._start_sshd(line.to, far)
            near.setblocking(False)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(line, line.client, near))
                both.create_task(self._carry(line, near, line.client))

    def _start_sshd(self, to: str, far: socket.socket) -> None:
        keys = f"keys/{next(self.numbers)}"
        rights = "".join(self._rights(key, to) for key in list(self.account.keys))
        while to in self.machines and self.faults.next("vm_failures"):
            (self.room.place / "failing" / str(next(self.numbers))).touch()
        (self.room.place / keys).write_text(rights)
        admit = f"/bin/sh {PLACE}/admit {PLACE}/{keys} %t %k"
        forwarding = "yes" if self.faults.forwarding else "no"
        options = [f"AuthorizedKeysCommand={admit}", f"AllowTcpForwarding={forwarding}"]
        words = ["-i", "-f", PLACE / "sshd_config", "-E", PLACE / "sshd.log"]
        words += [word for option in options for word in ("-o", option)]
        self.sshds = [sshd for sshd in self.sshds if sshd.poll() is None]
        self.sshds.append(self.room.start("/usr/sbin/sshd", *words, stdin=far, stdout=far))

    def _rights(self, key: Key, to: str) -> str:
        """The line of an authorized_keys file: a session in the VM if the key may, or the lobby."""
        machine = self.machines.get(to)
        if machine and key.sees(to, machine.tags):
            user = key.scope.get("ssh_user", machine.user)
            command = f"/bin/sh {PLACE}/to-vm {PLACE}/vms/{to}/pid {user} {self.faults.sftp}"
            return f'command="{command}" {key.public}\n'
        relay = f"/usr/bin/python3 -IS {PLACE}/relay.py {key.fingerprint}"
        return f'restrict,pty,command="{relay}" {key.public}\n'

    async def _carry(self, line: Line, source: socket.socket, sink: socket.socket) -> None:
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._deliver(line, late, sink))
            data = b"first"
            while data:
                if source is line.client:  # ssh waits for it in its handshake, 40 ms
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                data = await self.loop.sock_recv(source, CHUNK)
                await late.put((self.loop.time() + self.faults.rtt_s / 2, data))

    async def _deliver(
        self, line: Line, late: "asyncio.Queue[tuple[float, bytes]]", sink: socket.socket
    ) -> None:
        while True:
            due, data = await late.get()
            if (wait := due - self.loop.time()) > 0:
                await asyncio.sleep(wait)
            await line.through.wait()
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            await self.loop.sock_sendall(sink, data)

    def _source(self, port: int) -> str:
        """The VM that a connection from this port comes from, or OUTSIDE."""
        inode = _inode_of(port)
        for name, machine in list(self.machines.items()):
            if machine.pid and inode in self.room.sockets(machine.pid):
                return name
        return OUTSIDE

    def _hold_or_let(self, line: Line) -> None:
        if self.cut & {line.to, line.source}:
            line.through.clear()
        else:
            line.through.set()

    async def _cut_off(self, name: str) -> None:
        self.cut.add(name)
        for line in self.lines:
            if line.source is None and line.client.fileno() >= 0:
                line.source = self._source(line.client.getpeername()[1])
            self._hold_or_let(line)

    async def _reconnect(self, name: str) -> None:
        self.cut.discard(name)
        for line in self.lines:
            self._hold_or_let(line)

    async def _abort(self, which: Callable[[Line], bool]) -> None:
        tasks = [line.task for line in self.lines if which(line) and line.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stop(self) -> None:
        for listener in self.listeners:
            self.loop.remove_reader(listener.fileno())
        await asyncio.sleep(0)  # what is accepted is a line by then, which is closed
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        for listener in self.listeners:
            listener.close()


def _inode_of(port: int) -> str:
    """The inode of the TCP socket whose own port this is."""
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = row.split()
        if int(fields[1].split(":")[1], 16) == port and fields[2].endswith(":0016"):
            return fields[9]
    return ""
