"""Examples of each verb, as its help and docs/cli.md show them."""

from collections.abc import Mapping, Sequence

EXAMPLES: Mapping[str, Sequence[str]] = {
    "check": ["ocaptain check plans/guide"],
    "completion": [
        "source <(ocaptain completion bash)  # in ~/.bashrc",
        "source <(ocaptain completion zsh)   # in ~/.zshrc, after compinit",
        "ocaptain completion fish >~/.config/fish/completions/ocaptain.fish",
    ],
    "config": ["ocaptain config", "ocaptain config --json"],
    "config init": ["ocaptain config init"],
    "dashboard": ["ocaptain dashboard", "ocaptain dashboard voyage-3f9a --open"],
    "demo": ["ocaptain demo", "ocaptain demo --ships 5"],
    "doctor": ["ocaptain doctor", "OCAPTAIN_PROVIDER=local ocaptain doctor"],
    "fetch": [
        "ocaptain fetch",
        "ocaptain fetch voyage-3f9a --into ~/code/hello",
        "ocaptain fetch --all  # also logs, journal and work that did not land",
    ],
    "fsck": ["ocaptain fsck --why 'the disk was full'"],
    "hail": [
        "ocaptain hail 'Keep the old names as aliases.'",
        "ocaptain hail ship-0 'Use the parser that is there.'",
    ],
    "halt": ["ocaptain halt --why 'wrong branch'"],
    "logs": [
        "ocaptain logs --follow",
        "ocaptain logs ship-0 --tail 20",
        "ocaptain logs --task 7 --since 2h",
        "ocaptain logs --grep 'gives up'",
    ],
    "pause": ["ocaptain pause", "ocaptain pause voyage-3f9a --why 'until Monday'"],
    "plan init": ["ocaptain plan init plans/guide"],
    "plan skill": ["ocaptain plan skill"],
    "reinforce": ["ocaptain reinforce", "ocaptain reinforce --ships 2  # two more"],
    "release": ["ocaptain release 7"],
    "relieve": ["ocaptain relieve ship-2"],
    "report": ["ocaptain report", "ocaptain report voyage-3f9a -o done.html"],
    "resume": ["ocaptain resume"],
    "retry": ["ocaptain retry 7", "ocaptain retry verify"],
    "sail": [
        "ocaptain sail plans/guide",
        "ocaptain sail plans/guide --ships 5 --wait",
        "ocaptain sail plans/guide --provider local",
        "ocaptain sail plans/guide --pr  # a pull request at the end",
        "ocaptain sail --task 'Mend the login' --check 'make test'",
        "ocaptain sail --idle            # then: ocaptain tasks add SUBJECT",
    ],
    "shell": ["ocaptain shell", "ocaptain shell ship-0", "ocaptain shell --raw ship-0"],
    "sink": [
        "ocaptain sink     # the ships; storage keeps the work",
        "ocaptain sink -s  # also storage",
    ],
    "status": ["ocaptain status", "ocaptain status --watch", "ocaptain status --json"],
    "tasks": ["ocaptain tasks", "ocaptain tasks --status failed"],
    "tasks show": ["ocaptain tasks show 7", "ocaptain tasks show 7 --json"],
    "tasks add": [
        "ocaptain tasks add 'Document the parser' --after 3",
        "ocaptain tasks add 'Format' --run 'make format'  # for the agent shell",
    ],
    "tasks edit": [
        "ocaptain tasks edit 7 --description 'Only the public names.'",
        "ocaptain tasks edit 7 --after ''  # it waits for nothing",
        "ocaptain tasks edit 7 --agent codex",
    ],
    "trace": [
        "ocaptain trace -o trace.jsonl",
        "ocaptain trace --chrome -o trace.json  # for ui.perfetto.dev",
        "ocaptain trace --follow --to http://127.0.0.1:4318",
    ],
    "transcript": [
        "ocaptain transcript 7",
        "ocaptain transcript 7 --claim 12",
        "ocaptain transcript 7 --raw >7.jsonl",
    ],
    "usage": ["ocaptain usage", "ocaptain usage --by model --json"],
    "voyages": ["ocaptain voyages"],
    "wait": ["ocaptain wait", "ocaptain wait --timeout 3600 && ocaptain fetch"],
}


def epilog(verb: str) -> str | None:
    """Return the end of a verb's help; None if it has no example."""
    if verb not in EXAMPLES:
        return None
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in EXAMPLES[verb])
