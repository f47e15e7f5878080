"""How an agent is brought to a session, and what it may ask in it."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

from ...protocol import Json
from . import ends
from .ends import Failure
from .orders import Orders, Patience, Said
from .peer import Entry, Inbox, Peer

VERSION = 1
CAPABILITIES = {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}
CLIENT = {"name": "ocaptain", "version": "1"}
GRANTS = ("allow_always", "allow_once")
"""Kinds of answers to a request for permission, the best first."""


class Failed(Exception):
    """The agent has no session for us."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class Gone(Exception):
    """Helm has closed our stdin."""


class Refusal(Exception):
    """The agent has answered with an error."""

    def __init__(self, error: Any) -> None:
        super().__init__(str(error))
        self.error = error


class Opening:
    """An agent's process from its start on, and its session."""

    def __init__(self, orders: Orders, inbox: Inbox, patience: Patience, private: Path) -> None:
        """Start the agent. Raises Failed if it is not installed."""
        self._orders = orders
        self._inbox = inbox
        self._patience = patience
        self._private = private
        self._is_cancelled = False
        try:
            self.peer = Peer(orders.command, self._environment(), inbox)
        except OSError:
            raise Failed(Failure("refused", self._not_installed())) from None
        self.session = ""
        self.steers = False
        """Whether it can be told something during a turn."""
        self.can_close = False
        self.can_go_on = False
        """Whether another process can go on with the session."""
        self.said_meanwhile: list[Said] = []
        self._methods: list[Json] = []
        """The ways to authenticate that it has told of."""

    def open(self, conversation: str, complain: Callable[[str], None]) -> None:
        """Start a session, or go on with one. Raises Failed, or Gone."""
        self._complain = complain
        self._goes_on = bool(conversation)
        try:
            self._initialize()
            result = self._session(conversation)
            self._set_mode(result)
            self._set_model(result)
        except Refusal as refusal:
            raise Failed(ends.of_error(refusal.error)) from None

    def end(self, wait_s: float) -> int:
        """End the agent's process. Returns its exit status."""
        return self.peer.end(wait_s)

    def ask(self, method: str, params: Mapping[str, Any]) -> int:
        """Ask something of the session. Returns the number of the answer."""
        if method == "session/prompt":
            self._is_cancelled = False
        return self.peer.request(method, {"sessionId": self.session, **params})

    def cancel(self) -> None:
        """Have the agent end its turn."""
        self._is_cancelled = True
        self.peer.notify("session/cancel", {"sessionId": self.session})

    def answer(self, number: Any, method: Any, params: Any) -> None:
        """Answer what the agent asks: permission is granted, and the rest is not ours to do."""
        if method == "session/request_permission":
            self.peer.answer(number, {"outcome": self._permission(params)})
        else:
            self.peer.refuse(number, str(method))

    def _permission(self, params: Any) -> Json:
        options = _entries(params, "options")
        if self._is_cancelled or not options:
            return {"outcome": "cancelled"}
        chosen = options[0]
        for kind in reversed(GRANTS):
            for option in options:
                if option.get("kind") == kind:
                    chosen = option
        return {"outcome": "selected", "optionId": chosen.get("optionId")}

    # The way to a session

    def _environment(self) -> dict[str, str | None]:
        """Return the folders that are the agent's own here, whatever its user has set up."""
        folders: dict[str, str | None] = {}
        for name in self._orders.private:
            folder = self._private / name.lower()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folders[name] = str(folder)
        return folders

    def _not_installed(self) -> str:
        program = self._orders.command[0]
        install = self._orders.install or f"install {program}"
        return f"{program} is not installed here: {install}, then: ocaptain resume"

    def _initialize(self) -> None:
        params = {
            "protocolVersion": VERSION,
            "clientCapabilities": CAPABILITIES,
            "clientInfo": CLIENT,
        }
        result = self._call("initialize", params)
        version = result.get("protocolVersion")
        if version != VERSION:
            text = f"the agent speaks version {version} of its protocol, and not {VERSION}"
            raise Failed(Failure("refused", text))
        self._methods = _entries(result, "authMethods")
        can = _part(result, "agentCapabilities")
        sessions = _part(can, "sessionCapabilities")
        self.can_close = "close" in sessions
        self._resumes = "resume" in sessions
        self._loads = can.get("loadSession") is True
        self.can_go_on = self._resumes or self._loads
        steering = [_part(_part(place, "_meta"), "steering") for place in (result, can)]
        self.steers = any(told.get("supported") is True for told in steering)

    def _session(self, conversation: str) -> Json:
        """Return what the agent says of a session, once it has one."""
        try:
            return self._try_session(conversation)
        except Refusal as refusal:
            method = self._login()
            code = refusal.error.get("code") if isinstance(refusal.error, dict) else None
            if code != ends.AUTHENTICATION_REQUIRED or not method:
                raise
        self._call("authenticate", {"methodId": method})
        return self._try_session(conversation)

    def _try_session(self, conversation: str) -> Json:
        place = {"cwd": os.getcwd(), "mcpServers": []}  # noqa: PTH109 - it is sent as text
        if not conversation:
            result = self._call("session/new", place)
            self.session = str(result.get("sessionId", ""))
            return result
        method = "session/resume" if self._resumes else "session/load"
        self.session = conversation
        return self._call(method, {"sessionId": conversation, **place})

    def _login(self) -> str:
        """Return the method for the credential that there is; empty if there is none."""
        for name, method in self._orders.login.items():
            if os.environ.get(name):
                return method
        for offered in self._methods:
            if offered.get("type") == "env_var" and _is_provided(offered):
                return str(offered.get("id"))
        return ""

    def _set_mode(self, result: Json) -> None:
        """Have nobody asked for permission. Where that fails, we grant each."""
        mode = self._orders.mode
        modes = _entries(_part(result, "modes"), "availableModes")
        with suppress(Refusal):
            if mode and any(known.get("id") == mode for known in modes):
                self._call("session/set_mode", {"sessionId": self.session, "modeId": mode})
            elif mode and (option := _option(result, "mode")):
                self._set_option(option, mode)

    def _set_model(self, result: Json) -> None:
        """Have the session use the model. Raises Failed if that cannot be."""
        model = self._orders.model
        if not model or not self._orders.set_model:
            return
        option = _option(result, "model")
        models = _entries(_part(result, "models"), "availableModels")
        try:
            if option:
                self._set_option(option, model)
            elif models:  # as agents had it before there were options
                params = {"sessionId": self.session, "modelId": model}
                self._call("session/set_model", params)
            elif not self._goes_on:
                text = f"the agent lets nobody choose a model: take {model} out of the plan"
                raise Failed(Failure("refused", text))
        except Refusal as refusal:
            said = ends.of_error(refusal.error).text
            text = f"the agent does not take the model {model}: {said}"
            raise Failed(Failure("refused", text)) from None

    def _set_option(self, name: str, value: str) -> None:
        params = {"sessionId": self.session, "configId": name, "value": value}
        self._call("session/set_config_option", params)

    def _call(self, method: str, params: Json) -> Json:
        """Ask, and wait for the answer. Raises Refusal, Failed, or Gone."""
        number = self.peer.request(method, params)
        ends_at = time.monotonic() + self._patience.answer_s
        while (left_s := ends_at - time.monotonic()) > 0:
            with suppress(Empty):
                message = self._message(self._inbox.get(timeout=left_s))
                if message.get("id") == number and "method" not in message:
                    return _result(message)
        text = f"the agent did not answer {method} in {self._patience.answer_s:g} s"
        raise Failed(Failure("error", text))

    def _message(self, entry: Entry) -> Json:
        """Take in what is no answer; return what may be one."""
        match entry.source, entry.body:
            case "helm", None:
                raise Gone
            case "helm", {"say": str(text), "mark": str(mark)}:
                self.said_meanwhile.append(Said(text, mark))
            case "complaint", text:
                self._complain(text)
            case "agent", None if entry.peer is self.peer:
                status = self.end(self._patience.exit_s)
                text = f"the agent exited with status {status} before it had a session"
                raise Failed(Failure("error", text))
            case "agent", {"method": method, "id": number} if entry.peer is self.peer:
                self.answer(number, method, entry.body.get("params"))
            case "agent", dict(message) if entry.peer is self.peer:
                return message
        return {}


def _result(message: Json) -> Json:
    if "error" in message:
        raise Refusal(message["error"])
    result = message.get("result")
    return result if isinstance(result, dict) else {}


def _part(record: Any, name: str) -> Json:
    part = record.get(name) if isinstance(record, dict) else None
    return part if isinstance(part, dict) else {}


def _entries(record: Any, name: str) -> list[Json]:
    entries = record.get(name) if isinstance(record, dict) else None
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict)]


def _option(result: Json, name: str) -> str:
    """Return the id of the session's option of this name or category; empty if there is none."""
    for option in _entries(result, "configOptions"):
        if name in (option.get("id"), option.get("category")):
            return str(option.get("id"))
    return ""


def _is_provided(method: Json) -> bool:
    """Whether all variables are set that a way to authenticate takes."""
    needed = [one for one in _entries(method, "vars") if one.get("optional") is not True]
    return bool(needed) and all(os.environ.get(str(one.get("name"))) for one in needed)
