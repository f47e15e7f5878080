"""What GitHub's git server lets be pushed, and how it says no: hooks of its repositories.

The words are those of docs.github.com (About large files on GitHub, Available rules for rulesets,
Events that trigger workflows) and of what its server answers."""

from collections.abc import Iterator
from pathlib import Path

FILE_LIMIT_MB = 100.0
SETTINGS = {
    "http.receivepack": "true",
    "gc.auto": "0",
    "receive.autogc": "false",
    "receive.hideRefs": "refs/pull",
}
PRE_RECEIVE = """\
#!/bin/sh
# No file may be larger than the limit, in whichever commit, and wherever it is pushed to.
news=$(while read -r old new ref; do echo "$new"; done | grep -v '^0*$')
git rev-list --objects $news --not --all |
    git cat-file --batch-check='%(objecttype) %(objectsize) %(rest)' |
    awk -v most="$(cat file-limit)" '
        $1 == "blob" && $2 > most * 1048576 {
            size = $2; sub(/^[^ ]* [^ ]* /, "")
            files = files sprintf("error: File %s is %.2f MB; ", $0, size / 1048576) \\
                sprintf("this exceeds GitHub'"'"'s file size limit of %.2f MB\\n", most)
        }
        END {
            if (!files) exit 0
            print "error: Trace: 0123456789abcdef0123456789abcdef"
            print "error: See https://gh.io/lfs for more information."
            printf "%s", files
            print "error: GH001: Large files detected. You may want to try " \\
                "Git Large File Storage - https://git-lfs.github.com."
            exit 1
        }' >&2
"""
UPDATE = """\
#!/bin/sh
# A ruleset may close refs; who may not change workflows pushes none.
if [ -e closed ] && [ "${1#"$(cat closed)"}" != "$1" ]; then
    echo "error: GH013: Repository rule violations found for $1." >&2
    echo "$1 push declined due to repository rule violations" >>reasons
    exit 1
fi
[ "$REMOTE_SCOPES" = workflow ] && exit 0
file=$(git log --format= --name-only "$3" --not --all -- .github/workflows | head -n 1)
[ -z "$file" ] && exit 0
{
    printf '%s refusing to allow a Personal Access Token ' "$1"
    printf 'to create or update workflow `%s` without `workflow` scope\\n' "$file"
} >>reasons
exit 1
"""
POST_RECEIVE = """\
#!/bin/sh
# `on: push` is about branches and tags; what runs is what stands in the commit that was pushed.
while read -r old new ref; do
    case $ref in refs/heads/* | refs/tags/*) ;; *) continue ;; esac
    [ -z "$(git ls-tree -r "$new" .github/workflows)" ] || echo "$ref" >>runs
done
"""
HOOKS = {"pre-receive": PRE_RECEIVE, "update": UPDATE, "post-receive": POST_RECEIVE}


def install(repo: Path) -> None:
    """Have a bare repository take what GitHub takes."""
    (repo / "hooks").mkdir(exist_ok=True)
    for name, script in HOOKS.items():
        (repo / "hooks" / name).write_text(script)
        (repo / "hooks" / name).chmod(0o755)
    limit_files(repo, FILE_LIMIT_MB)


def limit_files(repo: Path, megabytes: float) -> None:
    """Have a file be too large from this size on, for tests that are in a hurry."""
    (repo / "file-limit").write_text(f"{megabytes}\n")


def close(repo: Path, prefix: str) -> None:
    """Make a ruleset: no ref that begins so can be made or moved."""
    (repo / "closed").write_text(prefix)


def runs(repo: Path) -> list[str]:
    """Return the refs whose pushes have started workflows."""
    path = repo / "runs"
    return path.read_text().split() if path.exists() else []


def reasons(repo: Path) -> dict[str, str]:
    """Return why refs were refused since the last question, as the update hook noted it."""
    path = repo / "reasons"
    if not path.exists():
        return {}
    lines = path.read_text().splitlines()
    path.unlink()
    return {ref: why for ref, _, why in (line.partition(" ") for line in lines)}


def reworded(answer: bytes, why: dict[str, str]) -> bytes:
    """Give GitHub's reasons in the answer to a push, where git's hooks can only say no.

    It is report-status in band 1 of a side-band (gitprotocol-pack(5)), both made of pkt-lines."""
    if not why:
        return answer
    told, report = [], b""
    for line in pkt_lines(answer):
        if line[:1] == b"\1":
            report += line[1:]
        elif line:
            told.append(pkt_line(line))
    lines = [reworded_line(line, why) for line in pkt_lines(report)]
    told.append(pkt_line(b"\1" + b"".join(pkt_line(line) for line in lines)))
    return b"".join([*told, pkt_line(b"")])


def reworded_line(line: bytes, why: dict[str, str]) -> bytes:
    """Give GitHub's reason in a line of a report, if it is of a ref that was refused."""
    words = line.decode().split()
    if words[:1] == ["ng"] and words[1] in why:
        return f"ng {words[1]} {why[words[1]]}\n".encode()
    return line


def pkt_lines(data: bytes) -> Iterator[bytes]:
    """Take pkt-lines apart; a flush is an empty one."""
    while data:
        size = max(4, int(data[:4], 16))
        yield data[4:size]
        data = data[size:]


def pkt_line(line: bytes) -> bytes:
    """Make a pkt-line, or if it is empty a flush."""
    return b"%04x%s" % (len(line) + 4, line) if line else b"0000"
