"""A terminal that a captain types at."""

import time

from tests.support.captain import OCAPTAIN, Captain


class Terminal:
    """A real terminal of the captain's: a tmux pane with a shell in it."""

    def __init__(self, captain: Captain, columns: int = 80, rows: int = 24) -> None:
        self.captain = captain
        self.tmux = ["tmux", "-f", "/dev/null", "-S", str(captain.root / "run" / "terminal")]
        shell = ["env", "PS1=READY ", f"PATH={OCAPTAIN.parent}:{captain.env['PATH']}"]
        bash = ["bash", "--noprofile", "--norc"]
        self._tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), *shell, *bash)
        self.until("READY")
        self.typed = 0

    def _tmux(self, *words: str) -> str:
        done = self.captain.sh([*self.tmux, *words])
        assert done.status == 0, done.err
        return done.out

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")
        (self.captain.root / "run" / "terminal").unlink(missing_ok=True)

    def type(self, line: str) -> None:
        """Type a line on an empty screen."""
        self.typed += 1
        self._tmux("send-keys", "-R", "-l", f"clear; {line}; echo over $((10 * {self.typed})) $?\n")

    def over(self, status: int = 0, seconds: float = 20) -> list[str]:
        """The screen, once what was typed has ended, with that exit status."""
        return self.until(f"over {10 * self.typed} {status}", seconds)

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names for them."""
        self._tmux("send-keys", *keys)

    def screen(self) -> list[str]:
        """What stands on the screen."""
        return self._tmux("capture-pane", "-p").rstrip("\n").splitlines()

    def coloured(self) -> list[str]:
        """The same, with the escape sequences of its colours."""
        return self._tmux("capture-pane", "-p", "-e").rstrip("\n").splitlines()

    def until(self, text: str, seconds: float = 15) -> list[str]:
        """The screen, once `text` is on it."""
        deadline = time.monotonic() + seconds
        while text not in "\n".join(screen := self.screen()):
            assert time.monotonic() < deadline, f"no {text!r} on\n" + "\n".join(screen)
            time.sleep(0.05)
        return screen
