"""An agent that is made with the protocol's own Python SDK, so that it does not share our beliefs.

Each prompt is a word that says what it is to do. What else it is asked, it tells in its words."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import acp
from acp import schema

OPTIONS = [
    schema.PermissionOption(option_id="no", name="No", kind="reject_once"),
    schema.PermissionOption(option_id="once", name="Once", kind="allow_once"),
    schema.PermissionOption(option_id="always", name="Always", kind="allow_always"),
]
MODEL = schema.SessionConfigOptionSelect(
    id="llm",
    name="Model",
    category="model",
    type="select",
    current_value="small",
    options=[schema.SessionConfigSelectOption(name=name, value=name) for name in ("small", "big")],
)
CAN = schema.AgentCapabilities(
    session_capabilities=schema.SessionCapabilities(close=schema.SessionCloseCapabilities())
)


class Scripted:
    """Does what the prompts say, one session at a time."""

    def __init__(self, diary: Path) -> None:
        """`diary` is a file for what it is asked when nobody listens any more."""
        self.diary = diary
        self.model = "small"
        self.steered = asyncio.Event()
        self.cancelled = asyncio.Event()

    def on_connect(self, conn: acp.Client) -> None:
        """Keep whom it may tell and ask."""
        self.client = conn

    async def initialize(self, protocol_version: int, **_: Any) -> acp.InitializeResponse:
        """Say what it can do."""
        return acp.InitializeResponse(
            protocol_version=min(protocol_version, acp.PROTOCOL_VERSION),
            agent_capabilities=CAN,
            field_meta={"steering": {"supported": True}},
        )

    async def new_session(self, cwd: str, **_: Any) -> acp.NewSessionResponse:
        """Begin a session, in which a model can be chosen."""
        return acp.NewSessionResponse(session_id="from-sdk", config_options=[MODEL])

    async def set_config_option(
        self, config_id: str, session_id: str, value: str | bool, **_: Any
    ) -> schema.SetSessionConfigOptionResponse:
        """Take the model, if it is one of those that there are."""
        if config_id != MODEL.id or value not in ("small", "big"):
            raise acp.RequestError.invalid_params()
        self.model = str(value)
        return schema.SetSessionConfigOptionResponse(config_options=[MODEL])

    async def prompt(self, session_id: str, prompt: list[Any], **_: Any) -> acp.PromptResponse:
        """Do what the prompt says."""
        self.session = session_id
        self.cancelled.clear()
        word = prompt[0].text
        await self.say(f"{word} with {self.model}")
        stop_reason: Any = await getattr(self, f"do_{word}")()
        usage = acp.schema.Usage(
            total_tokens=37, input_tokens=20, output_tokens=7, cached_read_tokens=10
        )
        return acp.PromptResponse(stop_reason=stop_reason or "end_turn", usage=usage)

    async def do_work(self) -> None:
        """Think, and run a command for which permission is needed."""
        await self.tell(acp.update_agent_thought_text("Hm."))
        await self.tell(acp.start_tool_call("c", "Run it", raw_input={"command": "make"}))
        asked = await self.client.request_permission(
            self.session, schema.ToolCallUpdate(tool_call_id="c"), OPTIONS
        )
        await self.tell(acp.update_tool_call("c", status="completed"))
        await self.say(json.dumps(asked.outcome.model_dump(by_alias=True, exclude_none=True)))

    async def do_ask(self) -> None:
        """Ask for what is an editor's to do."""
        try:
            await self.client.read_text_file(path="/etc/hostname", session_id=self.session)
        except acp.RequestError as error:
            await self.say(f"refused with {error.code}")

    async def do_hear(self) -> None:
        """Wait until it is told more during the turn."""
        await self.steered.wait()
        await self.say(f"told {self.words}")

    async def do_spend(self) -> str:
        """Tell of a dollar, and wait until that was too much."""
        cost = schema.Cost(amount=1.0, currency="USD")
        update = schema.UsageUpdate(session_update="usage_update", used=37, size=1000, cost=cost)
        await self.tell(update)
        return await self.do_wait()

    async def do_wait(self) -> str:
        """Wait until the turn is cancelled."""
        await self.cancelled.wait()
        return "cancelled"

    async def cancel(self, session_id: str, **_: Any) -> None:
        """End the turn."""
        self.note(f"cancel {session_id}")
        self.cancelled.set()

    async def close_session(self, session_id: str, **_: Any) -> schema.CloseSessionResponse:
        """End the session."""
        self.note(f"close {session_id}")
        return schema.CloseSessionResponse()

    async def ext_method(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Take in what comes during a turn."""
        self.words = f"{params['prompt'][0]['text']} by {method}"
        self.steered.set()
        return {"outcome": "injected"}

    async def say(self, text: str) -> None:
        """Say something, each time as a message of its own."""
        chunk = acp.update_agent_message_text(text)
        await self.tell(chunk.model_copy(update={"message_id": text}))

    async def tell(self, update: Any) -> None:
        """Send an update of the session."""
        await self.client.session_update(self.session, update)

    def note(self, text: str) -> None:
        """Write a line into the diary."""
        with self.diary.open("a", encoding="utf-8") as diary:
            diary.write(f"{text}\n")


if __name__ == "__main__":
    scripted: Any = Scripted(Path(sys.argv[1]))
    asyncio.run(acp.run_agent(scripted, use_unstable_protocol=True))
