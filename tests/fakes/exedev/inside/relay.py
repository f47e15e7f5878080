"""relay.py KEY: hand the lobby this session's command, streams and key, and exit as it says."""

import os
import signal
import socket
import sys

with socket.socket(socket.AF_UNIX) as lobby:
    lobby.connect("/run/exe/lobby")
    words = [sys.argv[1], *filter(None, [os.environ.get("SSH_ORIGINAL_COMMAND")])]
    socket.send_fds(lobby, ["\n".join(words).encode()], [0, 1, 2])
    lobby.shutdown(socket.SHUT_WR)
    answer = lobby.recv(1)
if not answer:
    os.kill(os.getppid(), signal.SIGKILL)  # the connection drops
sys.exit(answer[0])
