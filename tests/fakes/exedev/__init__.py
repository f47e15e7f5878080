"""A stand-in for exe.dev on loopback addresses: real SSH, real machines, made-up account.

    with ExeDev(folder) as exe:
        subprocess.run(["ssh", "-F", exe.ssh_config, "exe.dev", "new", "--json", "--name=web"])
        exe.machines["web"].run("hostname")

`room` is the pair of namespaces that all of it lives and dies in; `image` what its VMs are
made from; `machine` one VM; `gateway` the network; `lobby` the commands; `account` what they
act on and what tests may make go wrong. What is under `inside/` runs in the room or in VMs.
"""

from .account import Faults, Key
from .machine import Machine
from .room import lacking
from .service import ExeDev

__all__ = ["ExeDev", "Faults", "Key", "Machine", "lacking"]
