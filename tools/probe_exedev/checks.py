"""The assumptions that docs/exedev.md has, number by number."""

from collections.abc import Callable
from dataclasses import dataclass

from . import keys, lobby, machines
from .results import Unknown
from .world import World

Look = Callable[[World], str]
"""Says what it sees, or raises Differs or Unknown."""


@dataclass(frozen=True)
class Check:
    """An assumption by its number, how to look, and which others have to hold for that."""

    number: int
    expected: str
    look: Look
    needs: tuple[int, ...] = ()


def untried(reason: str) -> Look:
    """Return how to look at what is not looked at."""

    def look(_: World) -> str:
        raise Unknown(f"not tried: {reason}")

    return look


CHECKS = (
    # The lobby
    Check(
        1,
        "the lobby answers `ls` with `vms`, and has a host key that your ssh knows",
        lobby.lists_vms,
    ),
    Check(
        2,
        "8 commands at once run over one shared connection",
        lobby.runs_commands_at_once,
        needs=(1,),
    ),
    Check(
        3,
        "`new` takes a name like ours and a tag, and answers with vm_name and ssh_dest",
        lobby.makes_a_vm,
        needs=(1,),
    ),
    Check(
        4,
        f"`new` takes {' '.join(lobby.SIZES)}",
        lobby.takes_sizes,
        needs=(1,),
    ),
    Check(
        5,
        "ssh_dest is `host` or `user@host`, ssh_port a number",
        lobby.says_where_a_vm_is,
        needs=(3,),
    ),
    Check(
        6,
        "`ls -l` has vm_name, ssh_dest, status and image of each VM, the new ones among them",
        lobby.lists_what_is_read,
        needs=(3,),
    ),
    Check(
        7,
        f"a VM is `running` within {lobby.RUNNING_S} s, and answers SSH within {lobby.BOOT_S} s",
        lobby.starts_vms_soon,
        needs=(3, 6),
    ),
    Check(
        8,
        "a VM has the lobby's host key",
        lobby.gives_vms_its_host_key,
        needs=(3,),
    ),
    Check(
        9,
        "a VM that does not answer yet is told from a command that fails, by its text",
        lobby.says_that_a_vm_does_not_answer,
        needs=(7,),
    ),
    Check(
        10,
        "a name that ends in a dash and digits is refused",
        lobby.refuses_digits_at_the_end,
        needs=(1,),
    ),
    Check(
        11,
        "a name that is taken is refused",
        lobby.refuses_a_name_that_is_taken,
        needs=(3,),
    ),
    Check(
        12,
        "an error is an object with `error` alone, on either stream; exit status not 0 or 255",
        lobby.words_errors_in_json,
        needs=(1,),
    ),
    Check(
        13,
        "an unknown option of `ssh-key add` is refused, in words that ocaptain knows",
        lobby.refuses_unknown_options,
        needs=(1,),
    ),
    # Virtual machines
    Check(
        14,
        "stdin reaches a command unchanged, and its exit status comes back",
        machines.passes_stdin_and_status,
        needs=(7,),
    ),
    Check(
        15,
        "the login user becomes root with `sudo -n`; the host name is the VM's name",
        machines.has_sudo_and_its_name,
        needs=(7,),
    ),
    Check(
        16,
        "python3 (3.10 or newer), git, tar, bash, tmux and claude are there",
        machines.has_programs,
        needs=(7,),
    ),
    Check(
        17,
        "systemd runs, and starts a system unit with User= and Restart=always",
        machines.starts_units,
        needs=(7, 15),
    ),
    Check(
        18,
        "root can make users, and sudo to one of them passes stdin on",
        machines.makes_users,
        needs=(7, 15),
    ),
    Check(
        19,
        "sshfs is not there, `apt-get install` brings it, and /dev/fuse is there",
        machines.installs_sshfs,
        needs=(7, 15),
    ),
    Check(
        20,
        "/etc/tmpfiles.d is followed (optional: it only repeats at boot what was done)",
        machines.follows_tmpfiles,
        needs=(7, 15),
    ),
    Check(
        21,
        "12 sessions at once run over one connection to a VM, or at least 8",
        machines.runs_sessions_at_once,
        needs=(7,),
    ),
    # Keys
    Check(
        22,
        "`ssh-key add --vm --ssh-user` takes a user that is not there yet; permissions has the VM",
        keys.can_be_for_one_vm,
        needs=(7,),
    ),
    Check(
        23,
        "`ssh-key list` has the key, and its name is the comment",
        keys.are_named_by_their_comment,
        needs=(22,),
    ),
    Check(
        24,
        "with that key one is that user on that VM, whatever the login name",
        keys.log_in_as_their_user,
        needs=(15, 22),
    ),
    Check(
        25,
        "commands go to that user's login shell, as `-c COMMAND`",
        keys.go_through_the_login_shell,
        needs=(24,),
    ),
    Check(
        26,
        "that user may not use sudo",
        keys.give_no_sudo,
        needs=(24,),
    ),
    Check(
        27,
        "with that key nothing runs on the other VM (the lobby may answer instead)",
        keys.run_nothing_elsewhere,
        needs=(24,),
    ),
    Check(
        28,
        "with that key the lobby refuses whoami, ls, ssh-key list, ssh-key add and new",
        keys.do_nothing_in_the_lobby,
        needs=(24,),
    ),
    Check(
        29,
        "with that key SFTP reads, and writes nothing, with or without the login shell",
        keys.read_by_sftp,
        needs=(24,),
    ),
    Check(
        30,
        "with that key ports are forwarded or not; what listens on storage is then in reach",
        keys.forward_ports_or_not,
        needs=(24,),
    ),
    Check(
        31,
        "from the other VM, ssh_dest and that key lead to storage, with the lobby's host key",
        keys.lead_from_ship_to_storage,
        needs=(24,),
    ),
    Check(
        32,
        "from there SSHFS mounts storage",
        keys.mount_storage,
        needs=(19, 29, 31),
    ),
    Check(
        33,
        "`ssh-key add --tag`: the login user, on VMs with the tag alone; permissions has it",
        keys.can_be_for_a_tag,
        needs=(7, 15),
    ),
    Check(
        34,
        "with the tag's key the lobby shows VMs with the tag, or refuses",
        keys.see_their_tag_alone,
        needs=(33,),
    ),
    Check(
        35,
        "a VM's own authorized_keys lets nobody in",
        machines.ignores_authorized_keys,
        needs=(7,),
    ),
    Check(
        36,
        "with the VM's key the lobby removes nothing",
        keys.remove_nothing,
        needs=(24,),
    ),
    Check(
        37,
        "once a key is removed it opens nothing (sessions that are open may go on)",
        keys.open_nothing_once_removed,
        needs=(24, 36),
    ),
    Check(
        38,
        "`rm` of several removes those there are, and fails where one is missing",
        lobby.removes_what_there_is,
        needs=(3,),
    ),
    # What is not tried
    Check(
        39,
        "a VM more than the plan allows is refused",
        untried("it takes all the VMs of a plan"),
    ),
    Check(
        40,
        "a burst of new connections goes unanswered for minutes",
        untried("it would shut you out"),
    ),
    Check(
        41,
        "a connection that says something every 15 s is kept for days",
        untried("it takes days"),
    ),
)
