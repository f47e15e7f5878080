"""The bridge: what helm says becomes prompts, and what the agent says becomes our events."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, NoReturn

from ...protocol import Json
from . import ends, usage
from .ends import Failure
from .opening import Failed, Gone, Opening
from .orders import Orders, Patience, Said
from .peer import Entry, Inbox, read_helm
from .updates import AT_WORK, Updates

KILLED = 128
"""What a shell adds to the number of the signal that ended a program."""

FAILED = Failure("error", "the agent has failed")


class Steer(NamedTuple):
    """A message that the agent was asked to take in during its turn."""

    request: int
    said: Said


def main(home: Path, orders: str) -> NoReturn:
    """Be the bridge to an agent, until helm closes stdin or the agent ends by itself."""
    inbox: Inbox = SimpleQueue()
    reader = threading.Thread(target=read_helm, args=[sys.stdin.buffer, inbox], daemon=True)
    reader.start()
    bridge = Bridge(Orders.read(orders), inbox, _tell, home / "voyage" / "agents")
    status = bridge.run()
    sys.stdout.flush()
    os._exit(status)  # neither threads nor what the agent left in its pipes hold us up


def _tell(event: Json) -> None:
    print(json.dumps(event), flush=True)


class Bridge:
    """One agent, and what helm has said to it."""

    def __init__(
        self,
        orders: Orders,
        inbox: Inbox,
        tell: Callable[[Json], None],
        private: Path,
        patience: Patience | None = None,
    ) -> None:
        """`private` is a folder in which agents may have folders of their own."""
        self._orders = orders
        self._inbox = inbox
        self._tell = tell
        self._private = private
        self._patience = patience or Patience()
        self._waiting: list[Said] = []
        """What the agent is to hear, and was not sent."""
        self._opening: Opening | None = None
        self._conversation = orders.conversation
        self._used = usage.Total()
        self._is_second = False
        """Whether the agent was started a second time for the turn."""
        self._forget_turn()

    def _forget_turn(self) -> None:
        self._updates = Updates()
        self._prompt: int | None = None
        self._unheard: list[Said] = []
        """What the prompt says, unless the agent has shown that it heard it."""
        self._steers: list[Steer] = []
        self._trouble: Failure | None = None
        """What the agent told of its API, where it does not say so at the turn's end."""
        self._is_spent = False

    def run(self) -> int:
        """Go on until helm or the agent is gone. Returns the exit status."""
        while True:
            entry = self._inbox.get()
            if entry == Entry("helm", None):
                return self._close()
            status = self._take(entry)
            if status is not None:
                return status

    def _take(self, entry: Entry) -> int | None:
        """Take in what came. Returns an exit status if the agent has ended in its turn."""
        if entry.source == "helm":
            self._hear_helm(entry.body)
        elif entry.source == "complaint":
            self._hear_complaint(entry.body)
        elif self._opening is None or entry.peer is not self._opening.peer:
            return None  # the last words of an earlier process
        elif entry.body is None:
            return self._lose_agent(self._opening)
        else:
            self._hear_agent(self._opening, entry.body)
        return None

    # Helm

    def _hear_helm(self, message: Json) -> None:
        match message:
            case {"say": str(text), "mark": str(mark)}:
                self._say(Said(text, mark))

    def _say(self, said: Said) -> None:
        """Have the agent hear this: now, if it can be told during a turn, else as a prompt."""
        if self._prompt is None:
            self._waiting.append(said)
            self._begin()
        elif self._opening and self._opening.steers:
            request = self._opening.ask("_session/steering", _steering(said.text))
            self._steers.append(Steer(request, said))
        else:
            self._waiting.append(said)

    def _begin(self) -> None:
        """Begin a turn, with all that waits."""
        opening = self._opened()
        if opening is None:
            return
        self._forget_turn()
        self._unheard, self._waiting = self._waiting, []
        text = "\n\n".join(said.text for said in self._unheard)
        self._tell({"kind": "begin", "text": self._conversation})
        self._prompt = opening.ask("session/prompt", {"prompt": [_block(text)]})

    def _opened(self) -> Opening | None:
        """Return the agent with a session; None if it has none, which ends the turn."""
        if self._opening:
            return self._opening
        try:
            opening = Opening(self._orders, self._inbox, self._patience, self._private)
        except Failed as failed:
            self._end(failed.failure)
            return None
        if not self._open(opening):
            return None
        self._waiting += opening.said_meanwhile
        self._opening = opening
        if opening.can_go_on and self._orders.goes_on:
            self._conversation = opening.session
        return opening

    def _open(self, opening: Opening) -> bool:
        """Whether the agent has come to a session; if it has not, that ends the turn."""
        try:
            opening.open(self._conversation, self._hear_complaint)
            return True
        except Failed as failed:
            opening.end(0)
            self._waiting += opening.said_meanwhile
            self._end(failed.failure)
        except Gone:
            opening.end(0)
            self._inbox.put(Entry("helm", None))
        return False

    # The agent

    def _hear_agent(self, opening: Opening, message: Json) -> None:
        match message:
            case {"method": "session/update", "params": {"update": dict(update)}}:
                self._hear_update(update)
            case {"method": str(method), "id": number}:
                opening.answer(number, method, message.get("params"))
            case {"id": number} if number == self._prompt:
                self._hear_result(message)
            case {"id": number}:
                self._hear_of_steering(number, message.get("result"))

    def _hear_update(self, update: Json) -> None:
        if self._prompt is None:
            return
        if update.get("sessionUpdate") in AT_WORK:
            self._note_heard()
        self._hear_of_trouble(update)
        for event in self._updates.take(update):
            self._tell(event)
        usd = usage.told_cost(update)
        if usd is not None:
            new_usd = self._used.spend(usd)
            self._tell({"kind": "cost", "text": "session", "cost_usd": new_usd})
            self._keep_budget(usd)

    def _hear_of_trouble(self, update: Json) -> None:
        """Take in what Codex tells of its API: it ends such a turn as if all were well."""
        match update:
            case {"_meta": {"codex": {"error": error}}}:
                words = error.get("message") if isinstance(error, dict) else error
                self._trouble = ends.of_words(str(words), json.dumps(error))
                if self._trouble.outcome == "limited":
                    self._wait(self._trouble)
            case {"_meta": {"codex": {"threadStatus": {"type": "systemError"}}}}:
                self._trouble = self._trouble or FAILED
            case {"sessionUpdate": "agent_message_chunk", "content": {"text": str(text)}}:
                if self._trouble == FAILED:  # and this says how
                    self._trouble = ends.of_words(" ".join(text.split()))
            case {"sessionUpdate": "tool_call"}:
                self._trouble = None

    def _hear_complaint(self, text: str) -> None:
        """Log what the agent prints besides, and wait with it if that is of its API."""
        self._tell({"kind": "notice", "text": text[:2000]})
        found = ends.ATTEMPT_FAILED.search(text)
        if found and self._prompt is not None:
            self._wait(ends.of_words(found.group()))

    def _wait(self, failure: Failure) -> None:
        limit = {"until": failure.until, "is_shared": failure.is_shared}
        self._tell({"kind": "wait", "text": failure.text, **limit})

    def _keep_budget(self, usd: float) -> None:
        budget_usd = self._orders.budget_usd
        if budget_usd and usd >= budget_usd and not self._is_spent and self._opening:
            self._is_spent = True
            self._opening.cancel()

    def _note_heard(self) -> None:
        for said in self._unheard:
            self._tell({"kind": "heard", "text": said.mark})
        self._unheard = []

    def _hear_of_steering(self, number: Any, result: Any) -> None:
        for steer in self._steers:
            if steer.request == number:
                self._steers.remove(steer)
                self._settle(steer.said, result)
                return

    def _settle(self, said: Said, result: Any) -> None:
        """Take what was injected for heard; what was not waits for the end of the turn."""
        match result:
            case {"outcome": "injected" | "startedNewTurn"}:
                self._tell({"kind": "heard", "text": said.mark})
                return
        self._waiting.append(said)
        if self._prompt is None:
            self._begin()

    # The end of a turn

    def _hear_result(self, message: Json) -> None:
        failure = self._failure(message)
        if failure.outcome in ("done", "spent"):
            self._note_heard()
        used = usage.told_tokens(message.get("result"), self._orders.model)
        self._end(failure, used)
        if self._waiting and failure.outcome == "done":
            self._begin()

    def _failure(self, message: Json) -> Failure:
        """Return how a turn ended, by the answer to its prompt."""
        if self._is_spent:
            return Failure("spent", "its budget is used up")
        if "error" in message:
            return ends.of_error(message["error"])
        if self._trouble:
            return self._trouble
        match message.get("result"):
            case {"stopReason": "end_turn"}:
                return Failure("done", "")
            case {"stopReason": str(reason)}:
                return Failure("error", f"the agent stopped: {reason}")
        return Failure("error", "the agent ended its turn without a reason")

    def _end(self, failure: Failure, used: Json | None = None) -> None:
        """Say that the turn is over; what the agent has not heard waits."""
        for event in self._updates.end_turn():
            self._tell(event)
        unsettled = [steer.said for steer in self._steers]
        self._waiting = [*self._unheard, *unsettled, *self._waiting]
        self._forget_turn()
        self._is_second = False
        if failure.until:
            self._wait(failure)
        end = {"kind": "end", "text": failure.text, "outcome": failure.outcome}
        limit = {"is_shared": True} if failure.is_shared else {}
        self._tell({**end, **limit, **self._used.add(used or {})})

    def _lose_agent(self, opening: Opening) -> int | None:
        """Take in that the agent's process has ended. One that was idle is started again.

        It was, too, if it has not shown that it heard its prompt; but not for ever."""
        status = opening.end(self._patience.exit_s)
        self._opening = None
        if self._conversation and self._prompt is None:
            return None
        if self._conversation and self._unheard and not self._is_second:
            self._is_second = True
            self._waiting = [*self._unheard, *self._waiting]
            self._begin()
            return None
        for event in self._updates.end_turn():
            self._tell(event)
        return status if status >= 0 else KILLED - status

    # Our own end

    def _close(self) -> int:
        """End the turn and the session politely, and the agent in any case."""
        opening = self._opening
        if opening is None:
            return 0
        if self._prompt is not None:
            opening.cancel()
            self._await(opening, self._prompt, self._patience.cancel_s)
        if opening.can_close:
            number = opening.ask("session/close", {})
            self._await(opening, number, self._patience.close_s)
        opening.end(self._patience.exit_s)
        return 0

    def _await(self, opening: Opening, number: int, wait_s: float) -> None:
        """Take in what comes until a request is answered, for some time at most."""
        ends_at = time.monotonic() + wait_s
        while (left_s := ends_at - time.monotonic()) > 0:
            try:
                entry = self._inbox.get(timeout=left_s)
            except Empty:
                return
            if entry.source != "agent" or entry.peer is not opening.peer:
                continue
            match entry.body:
                case None:
                    return
                case {"method": method, "id": asked}:
                    opening.answer(asked, method, entry.body.get("params"))
                case {"id": answered} if answered == number:
                    return


def _steering(text: str) -> Mapping[str, Any]:
    return {"prompt": [_block(text)], "idleBehavior": "promptRequired"}


def _block(text: str) -> Json:
    return {"type": "text", "text": text}
