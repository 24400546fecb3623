"""The machines of the matrix, as machines.json describes them. The Vagrantfile reads the same file."""
import dataclasses
import json
import os

HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PROJECT = os.path.dirname(HERE)
# Everything that is made here: kernels, boxes, the bundle, results.
BUILD = os.path.join(PROJECT, "build", "vagrant")


@dataclasses.dataclass(frozen=True)
class Machine:
    name: str
    about: str
    box: str
    suite: str  # the Debian suite its box and its kernel come from; empty: the box is somebody else's
    data: str  # the file system the tests' stores lie on
    drivers: list  # what must work there: a skip of these is a failure
    local: bool  # built here, so it can run without any box server


def all_machines():
    with open(os.path.join(HERE, "machines.json"), encoding="utf-8") as file:
        return [Machine(**fields, local=bool(fields["suite"])) for fields in json.load(file)]


def pick(names):
    """The machines of these names; without a name, all that can be built here."""
    known = {machine.name: machine for machine in all_machines()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no machine '{unknown[0]}'; there are: {', '.join(known)}")
    return [known[name] for name in names] if names else [m for m in known.values() if m.local]
