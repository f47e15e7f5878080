import os
import re
from pathlib import Path

import pytest

from ocaptain.config import SOCKET_DIR_BYTES, Config, list_settings, load
from ocaptain.errors import Failure
from ocaptain.providers import PROVIDERS
from ocaptain.scaffold import write_config
from ocaptain.settings import AGENT_PREFIXES, AGENT_VARIABLES, VARIABLES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/configuration.md").read_text()


def rows() -> dict[str, tuple[str, str, str]]:
    """The documented settings: the key, default and meaning of each variable."""
    cells = re.findall(r"^\| `(\S+)` \| `(\S+)` \| (.*?) *\| (.+) \|$", PAGE, re.M)
    return {variable: (key, default, meaning) for variable, key, default, meaning in cells}


def test_every_setting_is_documented():
    """docs/configuration.md has all variables with their keys, and no others."""
    for_agents = (*AGENT_VARIABLES, *(f"{prefix}*" for prefix in AGENT_PREFIXES))
    keys = {variable: key for key, variable in VARIABLES.items()}
    keys |= {variable: variable.lower() for variable in for_agents}
    assert {variable: key for variable, (key, _, _) in rows().items()} == keys


def test_every_default_is_documented():
    """docs/configuration.md has the value of each setting that nobody has set."""
    config = load({"HOME": "/h"})
    documented = {key: default.strip("`") for key, default, _ in rows().values() if default}
    assert documented == {
        "provider": config.provider,
        "hosts": str(config.hosts).replace("/h/", "~/"),
        "default_ships": str(config.default_ships),
        "vm_limit": str(config.vm_limit),
        "ssh_config": "~/.ssh/config",  # which is ssh's own
    }


def test_every_provider_is_documented():
    """docs/configuration.md says which providers there are."""
    _, _, meaning = rows()["OCAPTAIN_PROVIDER"]
    assert re.findall("`(.+?)`", meaning) == sorted(PROVIDERS)


def test_every_xdg_variable_is_documented():
    """docs/configuration.md names the XDG variables that the source reads."""
    source = "".join(path.read_text() for path in (ROOT / "src/ocaptain").glob("*.py"))
    xdg = re.compile(r"\bXDG_[A-Z]+_(?:HOME|DIR)\b")
    assert set(xdg.findall(PAGE)) == set(xdg.findall(source))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def write(environ: dict[str, str], text: str, mode: int = 0o600) -> Path:
    path = Path(environ["HOME"], ".config/ocaptain/config.toml")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_defaults(environ, tmp_path):
    """With nothing set there are three ships on exe.dev, and the data directory that XDG says."""
    config = load(environ)
    assert (config.provider, config.default_ships) == ("exedev", 3)
    assert (config.ssh_config, config.gh_token, config.agent_env) == (None, None, {})
    assert config.data_dir == tmp_path / ".local/share/ocaptain"


def test_xdg_directories_are_honoured(environ):
    """XDG_* variables move the directories; relative ones are ignored, as XDG has it."""
    path = write(environ, 'provider = "local"')
    config_home = str(path.parent.parent)
    elsewhere = {"HOME": "/h", "XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": config_home}
    config = load(elsewhere)
    assert (config.data_dir, config.provider) == (Path("/data/ocaptain"), "local")
    assert load({"HOME": "/h", "XDG_DATA_HOME": "d"}).data_dir == Path("/h/.local/share/ocaptain")


def test_the_environment_wins_over_the_file(environ):
    """A variable takes precedence over the same key of config.toml; an empty one does not."""
    write(environ, 'provider = "hosts"\ndefault_ships = 5\nssh_config = "~/conf"')
    environ |= {"OCAPTAIN_PROVIDER": "local", "OCAPTAIN_DEFAULT_SHIPS": ""}
    config = load(environ)
    assert (config.provider, config.default_ships) == ("local", 5)
    assert config.ssh_config == Path("~/conf").expanduser()


def test_the_command_line_wins_over_the_environment(environ):
    """An override takes precedence over a variable; one that was not given does not."""
    environ |= {"OCAPTAIN_PROVIDER": "hosts", "OCAPTAIN_CPU": "2", "OCAPTAIN_DISK": "20GB"}
    config = load(environ, {"provider": "local", "cpu": "4", "disk": None, "memory": None})
    assert config.provider == "local"
    assert config.vm == {"cpu": "4", "disk": "20GB"}


def test_what_agents_are_given(environ):
    """Agents get their credentials and OpenTelemetry's variables, never the git host's token."""
    write(environ, 'gh_token = "g"\nanthropic_api_key = "k"\notel_metrics_exporter = "otlp"')
    environ |= {
        "CLAUDE_CODE_OAUTH_TOKEN": "t",
        "ANTHROPIC_AUTH_TOKEN": "a",
        "ANTHROPIC_BASE_URL": "http://localhost",
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=x",
    }
    config = load(environ)
    assert config.agent_env == {
        "ANTHROPIC_API_KEY": "k",
        "OTEL_METRICS_EXPORTER": "otlp",
        "CLAUDE_CODE_OAUTH_TOKEN": "t",
        "ANTHROPIC_AUTH_TOKEN": "a",
        "ANTHROPIC_BASE_URL": "http://localhost",
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=x",
    }
    assert config.gh_token == "g"


def test_a_secret_is_shown_nowhere(environ):
    """Printing a Config does not show a token."""
    config = load(environ | {"GH_TOKEN": "hush", "CLAUDE_CODE_OAUTH_TOKEN": "hush"})
    assert "hush" not in f"{config} {config!r}"


def test_wrong_keys(environ):
    """Unknown keys and wrong types are all named, with the file, and without their values."""
    path = write(environ, 'shipps = 3\nprovider = "local"\ngh_token = ["hush"]')
    with pytest.raises(Failure) as raised:
        load(environ)
    assert str(raised.value).splitlines() == [
        f'{path}: "shipps" is no key of ocaptain\'s.',
        f'{path}: "gh_token" has to be text or a number.',
    ]


@pytest.mark.parametrize("ships", ["many", "0", "-1", "2.5", "100"])
def test_a_number_of_ships_that_is_none(environ, ships):
    """The default number of ships is one from 1 to 99."""
    told = r"^OCAPTAIN_DEFAULT_SHIPS \(default_ships\) has to be a number from 1 to 99\.$"
    with pytest.raises(Failure, match=told):
        load(environ | {"OCAPTAIN_DEFAULT_SHIPS": ships})


def test_a_file_that_does_not_parse(environ):
    """TOML that does not parse is a Failure with the file, line and column."""
    path = write(environ, "provider = \n")
    with pytest.raises(Failure, match=f"^{path} cannot be read: .*line 1, column 12"):
        load(environ)


def test_a_file_that_cannot_be_looked_for(environ):
    """A place that cannot be looked at, such as somebody else's after su, is a Failure too."""
    environ["XDG_CONFIG_HOME"] = f"/{'long' * 100}"
    with pytest.raises(Failure, match=r"config\.toml cannot be read: .*File name too long"):
        load(environ)


def test_all_that_is_wrong_is_told_at_once(environ):
    """Of the file and of the environment; what mends the file's mode comes last."""
    path = write(environ, 'shipps = 3\ndefault_ships = "three"\ngh_token = "hush"', mode=0o644)
    with pytest.raises(Failure) as raised:
        load(environ | {"OCAPTAIN_VM_LIMIT": "0"})
    assert str(raised.value).splitlines() == [
        f'{path}: "shipps" is no key of ocaptain\'s.',
        f'{path}: "default_ships" has to be a number from 1 to 99.',
        "OCAPTAIN_VM_LIMIT (vm_limit) has to be a number from 1 to 999.",
        f"{path} holds a token, and others can read it.",
        f"chmod 600 {path}",
    ]


def test_settings_are_listed_with_where_they_come_from(environ):
    """Those that nobody set are there too, and no secret's value is."""
    write(environ, 'provider = "local"\ncpu = 2\nanthropic_base_url = "https://a:hush@gw"')
    environ |= {"OCAPTAIN_CPU": "4", "GH_TOKEN": "hush", "OTEL_LOGS_EXPORTER": "otlp"}
    rows = {row["key"]: row for row in list_settings(environ)}
    assert [*rows][-1] == "otel_logs_exporter"
    assert {key: row["variable"] for key, row in rows.items()}.items() >= VARIABLES.items()
    found = {key: (row["value"], row["origin"]) for key, row in rows.items() if row["origin"]}
    assert found == {
        "provider": ("local", "file"),
        "hosts": (f"{environ['HOME']}/.config/ocaptain/hosts", "default"),
        "default_ships": ("3", "default"),
        "vm_limit": ("50", "default"),
        "cpu": ("4", "environment"),
        "gh_token": (None, "environment"),
        "anthropic_base_url": (None, "file"),
        "otel_logs_exporter": ("otlp", "environment"),
    }
    assert {key for key, row in rows.items() if row["secret"]} == {
        "gh_token",
        "claude_code_oauth_token",
        "anthropic_api_key",
        "anthropic_auth_token",
        "codex_api_key",
        "gemini_api_key",
        "openai_api_key",
        "opencode_api_key",
        "openrouter_api_key",
        "anthropic_base_url",
    }


def test_the_config_that_is_written_to_be_edited_has_every_setting(environ):
    """Each by its key and variable, commented out; without the comment sign it is read."""
    path = Path(environ["HOME"], ".config/ocaptain/config.toml")
    write_config(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load(environ) == load({"HOME": environ["HOME"]})
    pairs = re.findall(r"^# (\w+) = .*?# ([A-Z_]+)", path.read_text(), re.M)
    documented = {variable: key for variable, (key, _, _) in rows().items() if "*" not in key}
    assert {variable: key for key, variable in pairs}.items() >= documented.items()
    path.write_text(re.sub(r"^# (?=\w+ = )", "", path.read_text(), flags=re.M))
    assert load(environ).vm["memory"] == "8GB"
    with pytest.raises(Failure, match=f"^{path} exists"):
        write_config(path)


def test_a_token_that_others_can_read(environ):
    """A config.toml with a token, or a password in a URL, has to be private; no other need be."""
    path = write(environ, 'claude_code_oauth_token = "t"', mode=0o640)
    for secret in ('claude_code_oauth_token = "t"', 'anthropic_base_url = "https://a:b@gw"'):
        path.write_text(secret)
        with pytest.raises(Failure, match=f"chmod 600 {path}"):
            load(environ)
    path.write_text('provider = "local"')
    assert load(environ).provider == "local"


def test_sockets_get_a_short_private_directory(environ, tmp_path):
    """The directory for sockets is made 0700, in XDG_RUNTIME_DIR where that is short and ours."""
    short = Path(f"/tmp/oc-{os.getpid()}")
    short.mkdir()
    try:
        folder = load(environ | {"XDG_RUNTIME_DIR": str(short)}).run_dir()
        assert folder == short / "ocaptain"
        assert folder.stat().st_mode & 0o777 == 0o700
        folder.rmdir()
    finally:
        short.rmdir()
    fallback = Path(f"/tmp/ocaptain-{os.geteuid()}")
    (tmp_path / ("x" * 60)).mkdir()
    for unusable in (tmp_path / ("x" * 60), "/run/user/no-such"):
        assert load(environ | {"XDG_RUNTIME_DIR": str(unusable)}).socket_dir == fallback
    assert len(str(fallback)) <= SOCKET_DIR_BYTES


@pytest.mark.parametrize("what", ["open to others", "a link", "a file"])
def test_a_doubtful_socket_directory_is_refused(tmp_path, what):
    """Sockets go into no directory that somebody else could have put there."""
    folder = tmp_path / "run"
    if what == "a link":
        folder.symlink_to(tmp_path)
    elif what == "a file":
        folder.touch(mode=0o600)
    else:
        folder.mkdir()
        folder.chmod(0o750)
    config = Config(data_dir=tmp_path, socket_dir=folder)
    with pytest.raises(Failure, match="has to be a directory of yours alone"):
        config.run_dir()
