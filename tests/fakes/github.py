"""A stand-in for GitHub on loopback: git over HTTPS, and the part of the API that ocaptain uses.

    with GitHub(folder) as hub:
        hub.repository("owner/name")
        token = hub.token(write=["owner/name"])

Git is the real thing: `git http-backend` on bare repositories below `folder`. Who may do what, and
how it is refused, is as GitHub has it: `https://docs.github.com/rest/pulls/pulls` and what its git
server answers. The certificate's names are the real ones, so whoever asks needs two things, the
addresses and the CA: `hub.hosts` and `hub.ca` for a machine with an /etc/hosts and a trust store of
its own, `hub.proxy_env()` for a process on this one.
"""

import base64
import json
import os
import re
import secrets
import select
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseRequestHandler, StreamRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes import github_rules

Json = dict[str, Any]
Answer = tuple[int, Any]

NAMES = ("github.com", "api.github.com")
USER = "octocat"
PORT = 443 if os.geteuid() == 0 else 8443
DOCS = "https://docs.github.com/rest"
GIT_PATH = re.compile(r"/([^/]+/[^/]+?)(?:\.git)?/(info/refs|git-(?:upload|receive)-pack)")
API_PATH = re.compile(r"/repos/([^/]+/[^/]+?)(/pulls)?")
CA_CONFIG = """\
[req]
prompt = no
distinguished_name = name
[name]
CN = {name}
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""
AS_GITHUB = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    **{f"GIT_{who}_NAME": USER for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": f"{USER}@localhost" for who in ("AUTHOR", "COMMITTER")},
}


@dataclass(frozen=True)
class Token:
    """What a token opens; where it may push, `pulls`: whether it may make pull requests, and
    `workflow`: whether it has the scope of that name, to change what Actions do."""

    read: frozenset[str]
    write: frozenset[str]
    pulls: bool
    workflow: bool


class Faults:
    """What is wrong with GitHub just now.

    `down`: connections are refused. `errors`: so many requests are answered with 503 from now on.
    `delay`: each answer takes so many seconds. The last two are for the requests alone whose
    "METHOD PATH" holds `only`."""

    errors = 0
    delay = 0.0
    only = ""

    def __init__(self, hub: "GitHub") -> None:
        self._hub = hub

    @property
    def down(self) -> bool:
        return self._hub.server is None

    @down.setter
    def down(self, down: bool) -> None:
        if down != self.down:
            self._hub.hush() if down else self._hub.listen()


class GitHub:
    """The servers. Everything they started has ended when the context manager has."""

    def __init__(self, folder: Path, address: str | None = None) -> None:
        self.folder, self._wanted = folder / "github", address
        self.pulls: list[Json] = []
        self.requests: list[str] = []
        self.faults = Faults(self)
        self.private: dict[str, bool] = {}
        self.tokens: dict[str, Token] = {}
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.server: _Server | None = None
        self.busy = self.busiest = 0

    def __enter__(self) -> "GitHub":
        self.folder.mkdir(parents=True)
        self.ca = certify(self.folder)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        self._place = reserve([self._wanted] if self._wanted else free_addresses())
        self.address: str = self._place.getsockname()[0]
        self.hosts = dict.fromkeys(NAMES, self.address)
        self.listen()
        self._proxy = _Server((self.address, 0), type("Proxy", (_Proxy,), {"hub": self}))
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.faults.down = True
        self._proxy.stop()
        self._place.close()

    def listen(self) -> None:
        """Take connections."""
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = _Server((self.address, PORT), handler, self._tls)

    def hush(self) -> None:
        """Refuse connections, and cut off those that there are."""
        if self.server:
            self.server.stop()
            self.server = None

    def proxy_env(self) -> dict[str, str]:
        """Environment in which git, curl and Python on this machine reach us under our names."""
        url = f"http://{self.address}:{self._proxy.server_address[1]}"
        proxies = dict.fromkeys(("https_proxy", "HTTPS_PROXY", "http_proxy"), url)
        trust = ("GIT_SSL_CAINFO", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
        return {**proxies, "no_proxy": "", "NO_PROXY": "", **dict.fromkeys(trust, str(self.ca))}

    def repository(self, name: str, private: bool = True) -> Path:
        """Make a bare repository with one commit on main."""
        path = self.folder / f"{name}.git"
        path.mkdir(parents=True)
        git(path, "init", "--quiet", "--bare", "--initial-branch=main")
        for setting in github_rules.SETTINGS.items():
            git(path, "config", *setting)
        github_rules.install(path)
        blob = git(path, "hash-object", "-w", "--stdin", stdin="Made for a test.\n")
        tree = git(path, "mktree", stdin=f"100644 blob {blob}\tREADME.md\n")
        commit = git(path, "commit-tree", tree, "-m", "Initial commit")
        git(path, "update-ref", "refs/heads/main", commit)
        self.private[name] = private
        return path

    def token(
        self,
        read: Sequence[str] = (),
        write: Sequence[str] = (),
        *,
        pulls: bool = True,
        workflow: bool = False,
    ) -> str:
        """A personal access token for these repositories; who may write may read."""
        token = f"ghp_{secrets.token_hex(18)}"
        readable = frozenset([*read, *write])
        self.tokens[token] = Token(readable, frozenset(write), pulls, workflow)
        return token

    @contextmanager
    def request(self, line: str) -> Iterator[bool]:
        """Count a request in, and suffer the faults; whether it is to fail."""
        with self.lock:
            self.requests.append(line)
            self.busy += 1
            self.busiest = max(self.busy, self.busiest)
            faulty = self.faults.only in line
            failing = faulty and self.faults.errors > 0
            self.faults.errors -= failing
        try:
            self.closing.wait(self.faults.delay * faulty)
            yield failing
        finally:
            with self.lock:
                self.busy -= 1

    # Git

    def git_refusal(self, name: str, writing: bool, password: str | None) -> Answer | None:
        """Why git is not served, as GitHub puts it; None where it is."""
        token, public = self.tokens.get(password or ""), self.private.get(name) is False
        if password and not token:
            said = "Invalid username or token. Password authentication is not supported for Git"
            return 401, f"{said} operations."
        if not token:
            return None if public and not writing else (401, "No anonymous write access.")
        if not public and (name not in token.read or name not in self.private):
            return 404, "Repository not found."
        if writing and name not in token.write:
            return 403, f"Permission to {name}.git denied to {USER}."
        return None

    # API

    def api(self, method: str, target: str, authorization: str, body: bytes) -> Answer:
        """The answer to an API request."""
        url = urlsplit(target)
        found, kind = API_PATH.fullmatch(url.path), authorization.partition(" ")[0].lower()
        token = self.tokens.get(authorization.partition(" ")[2])
        name = found[1] if found else ""
        if authorization and (kind not in ("bearer", "token") or not token):
            return 401, problem("Bad credentials")
        visible = self.private.get(name) is False or (token and name in token.read)
        if not found or name not in self.private or not visible:
            return 404, problem("Not Found")
        if not found[2]:
            return self._repository(name, token) if method == "GET" else (404, problem("Not Found"))
        if method == "GET":
            return 200, self._listed(name, {k: v[0] for k, v in parse_qs(url.query).items()})
        if not token:
            return 401, problem("Requires authentication")
        if name not in token.write or not token.pulls:
            return 403, problem("Resource not accessible by personal access token")
        with self.lock:
            return self._propose(name, body)

    def _repository(self, name: str, token: Token | None) -> Answer:
        may = {"pull": True, "push": bool(token and name in token.write), "admin": False}
        head = git(self.folder / f"{name}.git", "symbolic-ref", "--short", "HEAD")
        owner, short = name.split("/")
        about: Json = {"name": short, "full_name": name, "owner": {"login": owner}}
        about |= {"private": self.private[name], "default_branch": head}
        about |= {"html_url": f"https://github.com/{name}", "fork": False}
        return 200, {**about, **({"permissions": may} if token else {})}

    def _listed(self, name: str, query: dict[str, str]) -> list[Json]:
        """Pull requests, the newest first, as the query's `state`, `head` and `base` choose."""
        wanted = {"state": "open", **query}
        return [
            pull
            for pull in reversed(self.pulls)
            if pull["base"]["repo"]["full_name"] == name
            and wanted["state"] in (pull["state"], "all")
            and wanted.get("head") in (None, pull["head"]["label"])
            and wanted.get("base") in (None, pull["base"]["ref"])
        ]

    def _propose(self, name: str, body: bytes) -> Answer:
        try:
            asked = json.loads(body)
        except ValueError:
            return 400, problem("Problems parsing JSON")
        if missing := [key for key in ("title", "head", "base") if not asked.get(key)]:
            return invalid(*({"field": key, "code": "missing_field"} for key in missing))
        owner, number = name.split("/")[0], 1 + len([*self._listed(name, {"state": "all"})])
        head, base = asked["head"].removeprefix(f"{owner}:"), asked["base"]
        ends = {"head": self._end(name, head), "base": self._end(name, base)}
        if unknown := [key for key, end in ends.items() if not end["sha"]]:
            return invalid(*({"field": key, "code": "invalid"} for key in unknown))
        if fault := self._fault(name, head, base):
            return invalid({"code": "custom", "message": fault})
        url = f"https://github.com/{name}/pull/{number}"
        what = {"title": asked["title"], "body": asked.get("body"), "state": "open", **ends}
        self.pulls.append({"number": number, "html_url": url, "user": {"login": USER}, **what})
        return 201, self.pulls[-1]

    def _fault(self, name: str, head: str, base: str) -> str | None:
        """Why there can be no pull request between two branches that exist."""
        label = f"{name.split('/')[0]}:{head}"
        if self._listed(name, {"head": label, "base": base}):
            return f"A pull request already exists for {label}."
        between = f"refs/heads/{base}..refs/heads/{head}"
        if git(self.folder / f"{name}.git", "rev-list", "--count", between) == "0":
            return f"No commits between {base} and {head}"
        return None

    def _end(self, name: str, branch: str) -> Json:
        wanted = ("--format=%(objectname)", f"refs/heads/{branch}")
        sha = git(self.folder / f"{name}.git", "for-each-ref", *wanted)
        label = f"{name.split('/')[0]}:{branch}"
        return {"ref": branch, "label": label, "sha": sha, "repo": {"full_name": name}}


def problem(message: str, **more: Any) -> Json:
    """The body of an API error."""
    return {"message": message, **more, "documentation_url": DOCS}


def invalid(*errors: Json) -> Answer:
    """The API's answer to a pull request that cannot be."""
    return 422, problem(
        "Validation Failed", errors=[{"resource": "PullRequest", **e} for e in errors]
    )


def git(repo: Path, *words: str, stdin: str = "") -> str:
    """What git prints in a repository of GitHub's."""
    argv, env = ["git", "-C", str(repo), *words], {**os.environ, **AS_GITHUB}
    done = subprocess.run(argv, input=stdin, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def certify(folder: Path) -> Path:
    """Make a CA, and with it server.pem and server.key for our names; the CA's certificate."""
    names = ", ".join(f"DNS:{name}" for name in NAMES)
    signed: dict[str, list[str]] = {"ca": [], "server": ["-CA", "ca.pem", "-CAkey", "ca.key"]}
    for name, by in signed.items():
        (folder / f"{name}.cnf").write_text(CA_CONFIG.format(name=f"GitHub's {name}", names=names))
        request = ["openssl", "req", "-x509", "-days", "2", "-config", f"{name}.cnf"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        files = ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-extensions", name]
        argv = [*request, *key, *files, *by]
        subprocess.run(argv, cwd=folder, capture_output=True, check=True)
    return folder / "ca.pem"


def free_addresses() -> list[str]:
    """Where a GitHub could be, in no order, so that tests at the same time seldom meet."""
    numbers = secrets.SystemRandom().sample(range(256), 256)
    return [f"127.78.{number}.1" for number in numbers]


def reserve(addresses: Sequence[str]) -> socket.socket:
    """A socket that nobody connects to, on the first address that no other GitHub has."""
    for address in addresses:
        place = socket.socket()
        with suppress(OSError):
            place.bind((address, PORT + 1))
            return place
        place.close()
    raise OSError(f"every address is taken: {', '.join(addresses)}")


class _Server(ThreadingTCPServer):
    """Serves from the moment it is made until it is stopped, and then leaves no thread."""

    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self,
        place: tuple[str, int],
        handler: Callable[..., BaseRequestHandler],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.tls, self.open = tls, set[socket.socket]()
        super().__init__(place, handler)
        self._thread = threading.Thread(target=self.serve_forever, args=[0.02])
        self._thread.start()

    def get_request(self) -> tuple[Any, Any]:
        connection, peer = super().get_request()
        if self.tls:  # the handshake is left to the connection's own thread
            how: Json = {"server_side": True, "do_handshake_on_connect": False}
            connection = self.tls.wrap_socket(connection, **how)
        self.open.add(connection)
        return connection, peer

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        for connection in list(self.open):
            with suppress(OSError):  # not SSLSocket's, which another thread may be reading from
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that went away
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection to github.com or api.github.com."""

    hub: GitHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self._body()
        with self.hub.request(f"{self.command} {self.path}") as failing:
            if failing:
                self._say(503, json.dumps(problem("Service Unavailable")))
            elif self.headers.get("Host", "").partition(":")[0] == "api.github.com":
                self._api(body)
            else:
                self._git(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _api(self, body: bytes) -> None:
        authorization = self.headers.get("Authorization", "")
        answer = self.hub.api(self.command, self.path, authorization, body)
        named = bool(self.headers.get("User-Agent"))
        status, value = answer if named else (403, problem("A User-Agent header is required"))
        self._say(status, json.dumps(value), {"Content-Type": "application/json; charset=utf-8"})

    def _git(self, body: bytes) -> None:
        url = urlsplit(self.path)
        found = GIT_PATH.fullmatch(url.path)
        if not found:
            self._say(404, "Not Found")
            return
        name, what = found.groups()
        writing = "git-receive-pack" in (what, *parse_qs(url.query).get("service", ()))
        refusal = self.hub.git_refusal(name, writing, self._password())
        if refusal:
            asks = {"WWW-Authenticate": 'Basic realm="GitHub"'} if refusal[0] == 401 else {}
            self._say(*refusal, asks)
        else:
            self._backend(name, what, url.query, body)

    def _password(self) -> str | None:
        """The password of Basic authentication; empty where the header makes no sense."""
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if not kind:
            return None
        with suppress(ValueError):
            return base64.b64decode(given).decode().partition(":")[2] or "nothing"
        return "nonsense"

    def _backend(self, name: str, what: str, query: str, body: bytes) -> None:
        """Have git's own CGI answer (git-http-backend(1), RFC 3875)."""
        token = self.hub.tokens.get(self._password() or "")
        env = {
            **AS_GITHUB,
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.hub.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{name}.git/{what}",
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": USER,
            "REMOTE_ADDR": self.client_address[0],
            "REMOTE_SCOPES": "workflow" if token and token.workflow else "",
        }
        argv = ["git", "http-backend"]
        done = subprocess.run(argv, input=body, env=env, capture_output=True, check=False)
        head, _, said = done.stdout.partition(b"\r\n\r\n")
        lines = (line.partition(": ") for line in head.decode().splitlines())
        headers = {key: value for key, _, value in lines}
        status = int(headers.pop("Status", "200" if head else "500").split()[0])
        said = github_rules.reworded(said, github_rules.reasons(self.hub.folder / f"{name}.git"))
        self._say(status, said, headers)

    def _say(self, status: int, body: str | bytes, headers: dict[str, str] | None = None) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read `hub.requests` instead."""


class _Proxy(StreamRequestHandler):
    """One tunnel (HTTP's CONNECT) to one of our names; to anything else there is none."""

    hub: GitHub

    def handle(self) -> None:
        words = self.rfile.readline().decode("latin-1").split()
        for line in self.rfile:
            if not line.strip():
                break
        if words[:1] != ["CONNECT"] or words[1] not in [f"{name}:443" for name in NAMES]:
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        try:
            there = socket.create_connection((self.hub.address, PORT))
        except OSError:
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            relay(self.connection, there)


def relay(here: socket.socket, there: socket.socket) -> None:
    """Pass on what either says, until one has nothing more to say."""
    other = {here: there, there: here}
    while True:
        for ready in select.select([here, there], [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return
            other[ready].sendall(data)


__all__ = ["USER", "Faults", "GitHub"]
