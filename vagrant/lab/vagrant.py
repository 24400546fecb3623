"""A machine of the Vagrantfile, from `up` to `destroy`."""
import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
import time

from lab import boxes, libvirt
from lab.machines import BUILD, HERE

ENVIRONMENT = {"VAGRANT_HOME": os.path.join(BUILD, "home"), "VAGRANT_DOTFILE_PATH": os.path.join(BUILD, "state"),
               "VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_NO_COLOR": "1", "VAGRANT_DEFAULT_PROVIDER": "libvirt",
               "LIBVIRT_DEFAULT_URI": "qemu:///system", "CAIRN_VM_POOL": libvirt.POOL, "PYTHONDONTWRITEBYTECODE": "1"}


class Failed(Exception):
    """A machine did not come up."""


def run(machine, arguments, results):
    """Brings the machine up, runs the bundle's suite there as root, fetches what it left into `results`, destroys the machine.
    Returns the suite's exit status."""
    if machine.local:
        _vagrant("box", "add", "--force", "--name", machine.box, boxes.box(machine))
    with _up(machine) as ssh:
        command = ["sudo", "/opt/cairn/suite", "/dev/vdb", machine.data, "/dev/vdc", ",".join(machine.drivers), "/srv/results",
                   *arguments]
        status = subprocess.run([*ssh, shlex.join(command)], stdin=subprocess.DEVNULL, check=False).returncode
        with subprocess.Popen([*ssh, "sudo", "tar", "-C", "/srv/results", "-c", "."], stdout=subprocess.PIPE) as sent:
            subprocess.run(["tar", "-C", results, "-x"], stdin=sent.stdout, check=True)
        return status


def validate():
    """Raises Failed unless Vagrant is content with the Vagrantfile."""
    with tempfile.TemporaryDirectory() as state:  # else it asks libvirt for machines that a killed run left
        _vagrant("validate", VAGRANT_DOTFILE_PATH=state)


@contextlib.contextmanager
def _up(machine):
    _vagrant("destroy", "-f", machine.name)
    try:
        _vagrant("up", "--provider=libvirt", machine.name)
        config = os.path.join(BUILD, f"ssh-{machine.name}")
        with open(config, "w", encoding="utf-8") as file:
            file.write(_vagrant("ssh-config", machine.name))
        yield ["ssh", "-F", config, machine.name]
    finally:
        _vagrant("destroy", "-f", machine.name)


def _vagrant(*arguments, **environment):
    started = time.monotonic()
    done = subprocess.run(["vagrant", *arguments], cwd=HERE, env={**os.environ, **ENVIRONMENT, **environment}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if "Progress: " not in line]
        print("\n".join(lines), file=sys.stderr)
        raise Failed(f"vagrant {' '.join(arguments)}: it failed, status {done.returncode}")
    print(f"vagrant {arguments[0]}: {time.monotonic() - started:.0f} s", flush=True)
    return done.stdout
