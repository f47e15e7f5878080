"""The repository that a plan names: what is read of it."""

import os
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ocaptain.plan.plan import Source
from ocaptain.plan.source import AS_STORAGE
from tests.support.plans import checked, faults, git, patch, repository, sound
from tests.support.rules import rule


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"branch": "nowhere"}, 'has no branch "nowhere"'),
        (
            {"repo": "ext::sh"},
            '"ext::sh" is no owner/name, git URL or path (/…, ./…, ../…, ~/…)',
        ),
    ],
)
def test_source_that_is_none(plan: Path, settings: dict[str, Any], expected: str):
    """A branch or repository that cannot be is reported, and nothing else."""
    patch(plan, "voyage.json", **settings)
    report = checked(plan)
    assert report.faults == [f'voyage.json: "repo": {expected}']
    assert report.plan is None


def test_branch_of_a_checkout(plan: Path, repo: Path):
    """A branch other than the one checked out is read at its own commit."""
    git(repo, "checkout", "-q", "-b", "feature/x")
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    feature = git(repo, "rev-parse", "HEAD")
    git(repo, "checkout", "-q", "main")
    patch(plan, "voyage.json", branch="feature/x")
    source = sound(plan).source
    assert (source.branch, source.head) == ("feature/x", feature)


def test_detached_head(plan: Path, repo: Path):
    """A checkout on no branch is read at its commit."""
    git(repo, "checkout", "-q", "--detach")
    source = sound(plan).source
    assert (source.branch, source.head) == (None, git(repo, "rev-parse", "HEAD"))


def test_relative_repo(plan: Path, repo: Path, monkeypatch: pytest.MonkeyPatch):
    """A relative repo counts from the current directory, which may be deep in a checkout."""
    (repo / "deep/er").mkdir(parents=True)
    patch(plan, "voyage.json", repo=".")
    monkeypatch.chdir(repo / "deep/er")
    source = sound(plan).source
    assert (source.path, source.branch) == (repo / "deep/er", "main")


def test_bare_repo(plan: Path, repo: Path, tmp_path: Path):
    """A bare repository on this machine will do as well."""
    git(tmp_path, "clone", "-q", "--bare", str(repo), "bare.git")
    patch(plan, "voyage.json", repo=str(tmp_path / "bare.git"))
    report = checked(plan)
    assert report.plan
    assert report.plan.source.head == git(repo, "rev-parse", "HEAD")
    assert [note for note in report.notes if "bare.git" in note] == []


def test_repo_that_is_none(plan: Path, tmp_path: Path):
    """A path without a repository, and one where nothing was ever committed, are at fault."""
    patch(plan, "voyage.json", repo=str(tmp_path / "nowhere"))
    assert faults(plan) == [f'voyage.json: "repo": there is no folder {tmp_path}/nowhere']
    (tmp_path / "bare-ground").mkdir()
    patch(plan, "voyage.json", repo=str(tmp_path / "bare-ground"))
    [fault] = faults(plan)
    assert fault.endswith('bare-ground is in no git checkout: name one, or cd into yours for "."')
    git(tmp_path, "init", "-q", "empty")
    patch(plan, "voyage.json", repo=str(tmp_path / "empty"))
    assert faults(plan) == ['voyage.json: "repo": has no commit to start from']


WRAPPER = """\
#!/bin/sh
{{ echo "argv: $*"; env; }} >>{seen}
for word; do
    shift
    case $word in https://github.com/*) word=file://{hub}${{word#https://github.com}} ;; esac
    set -- "$@" "$word"
done
exec {real} "$@"
"""


@pytest.fixture
def github(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for GitHub: git goes to a directory, and tells `seen` what it was run with."""
    git(tmp_path, "clone", "-q", "--bare", str(repo), "github/me/code.git")
    seen = tmp_path / "seen"
    real = subprocess.run(["which", "git"], check=True, capture_output=True, text=True).stdout
    wrapper = tmp_path / "bin/git"
    wrapper.parent.mkdir()
    wrapper.write_text(WRAPPER.format(seen=seen, real=real.strip(), hub=f"{tmp_path}/github"))
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    return seen


def test_github(plan: Path, repo: Path, github: Path):
    """owner/name is on GitHub, even if there is a directory of that name."""
    patch(plan, "voyage.json", repo="me/code")
    source = sound(plan).source
    head = git(repo, "rev-parse", "HEAD")
    assert source == Source("https://github.com/me/code.git", None, "main", head)


def test_github_without_the_branch(plan: Path, github: Path):
    """A branch that GitHub does not have, and a repository that it does not have, are at fault."""
    patch(plan, "voyage.json", repo="me/code", branch="mai*")
    assert faults(plan) == ['voyage.json: "repo": has no branch "mai*"']
    patch(plan, "voyage.json", repo="me/nothing", branch=...)
    assert "does not appear to be a git repository" in faults(plan)[0]


def test_github_token_is_in_no_argv(plan: Path, github: Path):
    """git is given GH_TOKEN by its environment, and a helper that tells it to github.com alone."""
    patch(plan, "voyage.json", repo="me/code")
    sound(plan, GH_TOKEN="ghp_0123456789")
    lines = github.read_text().splitlines()
    assert "GH_TOKEN=ghp_0123456789" in lines
    assert "GIT_TERMINAL_PROMPT=0" in lines
    argv = [line.removeprefix("argv: ") for line in lines if line.startswith("argv: ")]
    assert argv
    assert not [line for line in argv if "ghp_" in line]


def test_github_token_is_for_github(tmp_path: Path):
    """The helper answers for github.com and nobody else, and no helper of the user's is asked."""
    kept, config = tmp_path / "kept", tmp_path / "gitconfig"
    theirs = f'helper = "!cat >>{kept}; echo username=u; echo password=p; :"'
    sections = ("credential", 'credential "https://github.com"')
    config.write_text("".join(f"[{section}]\n\t{theirs}\n" for section in sections))

    def asked(host: str, action: str = "fill", **login: str) -> str:
        told = {"protocol": "https", "host": host, **login}
        env = {"GIT_CONFIG_GLOBAL": str(config), "GH_TOKEN": "ghp_0", "GIT_TERMINAL_PROMPT": "0"}
        return subprocess.run(
            ["git", *AS_STORAGE, "credential", action],
            input="".join(f"{key}={value}\n" for key, value in told.items()),
            env={**os.environ, **env},
            capture_output=True,
            text=True,
        ).stdout

    assert "password=ghp_0" in asked("github.com")
    asked("github.com", "approve", username="x-access-token", password="ghp_0")
    assert asked("github.com.example.org") == ""
    assert not kept.exists()


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The URL of a host where everything is private, and for which the captain has a helper."""

    class Closed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"]
            self.send_response(200 if known else 401)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    config = tmp_path / "gitconfig"
    config.write_text('[credential]\n\thelper = "!echo username=u; echo password=p; :"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/me/code.git"
        server.shutdown()


def test_repo_that_only_the_captain_can_read(plan: Path, private: str):
    """What storage could not clone is at fault, with what to do, though the captain has access."""
    patch(plan, "voyage.json", repo=private)
    [fault] = faults(plan)
    assert "could not read Username" in fault
    assert "GH_TOKEN" in fault


def test_repo_that_the_captains_git_would_look_for_elsewhere(
    plan: Path, repo: Path, private: str, tmp_path: Path
):
    """Storage will go by the URL itself, and so does `check`: by no `insteadOf`, no header."""
    (tmp_path / "gitconfig").write_text(
        f'[url "file://{repo}"]\n\tinsteadOf = {private.removesuffix("code.git")}\n'
        f'[http "{private}"]\n\textraHeader = Authorization: Basic me\n'
        f"[protocol]\n\tallow = never\n"
    )
    patch(plan, "voyage.json", repo=private)
    assert "could not read Username" in faults(plan)[0]


def test_repo_whose_objects_have_longer_names(plan: Path, tmp_path: Path):
    """Neither storage nor ships could take them, and so it is at fault before anything is made."""
    git(tmp_path, "init", "-q", "--object-format=sha256", "long")
    git(tmp_path / "long", "commit", "-q", "--allow-empty", "-m", "first")
    patch(plan, "voyage.json", repo=str(tmp_path / "long"))
    assert faults(plan) == [
        'voyage.json: "repo": names its objects by SHA-256; ocaptain can sail those with SHA-1 only'
    ]


def test_repo_that_is_a_partial_clone(plan: Path, repo: Path, tmp_path: Path):
    """It is noted; if its origin is gone, and something is missing here, it is at fault."""
    (repo / "poem").write_text("one\n")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "second")
    (repo / "poem").write_text("two\n")
    git(repo, "commit", "-q", "-a", "-m", "third")
    git(repo, "config", "uploadpack.allowFilter", "true")
    part = tmp_path / "part"
    git(tmp_path, "clone", "-q", "--filter=blob:none", f"file://{repo}", str(part))
    patch(plan, "voyage.json", repo=str(part))
    noted = [note for note in checked(plan).notes if "part" in note]
    assert noted == [
        f"{part}: a partial clone: what is not here is fetched from its origin during `sail`"
    ]
    repo.rename(tmp_path / "gone")
    assert "is a partial clone, and what it lacks cannot be had from origin: " in faults(plan)[0]


def test_repo_of_somebody_else(plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is at fault; git's own words say what to type."""
    real = subprocess.run(["which", "git"], check=True, capture_output=True, text=True).stdout
    script = f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec {real.strip()} "$@"\n'
    (tmp_path / "git").write_text(script)
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    [fault] = faults(plan)
    assert "detected dubious ownership in repository" in fault
    assert "git config --global --add safe.directory" in fault


@pytest.mark.parametrize("name", ["it's 100% mine", "-n", "Übung", "a;b", "[c]"])
def test_repo_with_a_peculiar_name(plan: Path, repo: Path, name: str):
    """Whatever a path has in it, it is that repository; so is a worktree, and one within it."""
    peculiar = repo.with_name(name)
    repo.rename(peculiar)
    head = git(peculiar, "rev-parse", "HEAD")
    patch(plan, "voyage.json", repo=str(peculiar))
    assert sound(plan).source.head == head
    git(peculiar, "worktree", "add", "-q", "-b", "other", str(peculiar / "tree"))
    git(peculiar / "tree", "commit", "-q", "--allow-empty", "-m", "second")
    patch(plan, "voyage.json", repo=str(peculiar / "tree"))
    source = sound(plan).source
    assert (source.branch, source.head) == ("other", git(peculiar / "tree", "rev-parse", "HEAD"))


@rule("R130")
def test_a_hook_or_an_alias_of_another_repository_leads_nowhere_else(
    plan: Path, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Variables of git's that are for one repository, or for one command, are not passed on."""
    other = repository(tmp_path / "other")
    (other / "new").touch()
    for name, value in {
        "GIT_DIR": f"{other}/.git",
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": "/nowhere",
        "GIT_OBJECT_DIRECTORY": "/nowhere",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.worktree",
        "GIT_CONFIG_VALUE_0": "/nowhere",
        "GIT_CONFIG_PARAMETERS": "'user.name=Nobody'",
        "GIT_TRACE": "1",
    }.items():
        monkeypatch.setenv(name, value)
    report = checked(plan)
    assert report.plan
    with monkeypatch.context() as clean:
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
            clean.delenv(name)
        clean.delenv("GIT_CONFIG_COUNT")
        assert report.plan.source.head == git(repo, "rev-parse", "HEAD")
    assert not [note for note in report.notes if "not committed" in note]


@pytest.mark.parametrize(
    "repo",
    [
        "https://me:hush@github.com/me/code",
        "https://hush@github.com/me/code",
        "https://me:hu@sh/hush@github.com/me/code",
        "ssh://me:hush@example.org/me/code",
    ],
)
def test_repo_with_a_password_in_it(plan: Path, repo: str):
    """A URL that would be kept with its password is refused, without a word of it."""
    patch(plan, "voyage.json", repo=repo)
    [fault] = faults(plan)
    assert fault.startswith('voyage.json: "repo": has a name or password before its host')
    assert "hu" not in fault.replace("GitHub", "")


def test_repo_over_ssh(plan: Path, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A URL is read through the user's own ssh command, which may not ask for anything."""
    ssh = tmp_path / "ssh"
    ssh.write_text(
        "#!/bin/sh\n"
        'test "$1 $2" = "-o BatchMode=yes" || exit 1\n'
        "for command; do :; done\n"
        'case "$command" in git-*) eval "exec $command" ;; *) exit 1 ;; esac\n'
    )
    ssh.chmod(0o755)
    patch(plan, "voyage.json", repo=f"me@example.org:{repo}")
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    assert sound(plan).source.head == git(repo, "rev-parse", "HEAD")
    ssh.write_text("#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n")
    (fault,) = faults(plan)
    assert fault.startswith(f'voyage.json: "repo": me@example.org:{repo} cannot be read: ')
    assert fault.endswith("Permission denied (publickey). Could not read from remote repository.")
