"""What the test programs said, counted by machine and driver."""
import collections
import glob
import os
import re
import xml.etree.ElementTree as xml

OUTCOMES = ("passed", "failed", "skipped")


def read(machine, folder):
    """One record for each test in the JUnit files of `folder`: machine, driver, name, outcome, reason, seconds."""
    out = []
    for path in sorted(glob.glob(f"{folder}/*.xml")):
        for case in xml.parse(path).getroot().iter("testcase"):
            out.append({"machine": machine.name, "driver": _driver_of(case, machine), "name": _name_of(case),
                        "outcome": _outcome_of(case), "reason": _reason_of(case), "seconds": float(case.get("time", 0))})
    return out


def _name_of(case):
    return f"{case.get('classname')}.{case.get('name')}"


def _driver_of(case, machine):
    """The driver a case is about: its parameter in the conformance suite, or the folder its source lies in."""
    parameter = (case.get("name") or "").rpartition("/")[2]
    folder = re.search(r"tests/drivers/(\w+)/", case.get("file") or "")
    if parameter in machine.drivers + ["aufs", "plugin"]:
        return parameter
    return folder[1] if folder and folder[1] != "sys" else "(all others)"


def _outcome_of(case):
    if case.find("failure") is not None:
        return "failed"
    return "skipped" if case.get("status") != "run" or case.find("skipped") is not None else "passed"


def _reason_of(case):
    for kind in ("failure", "skipped"):
        said = case.find(kind)
        if said is not None:
            lines = [line for line in (said.get("message") or "").splitlines() if line and not re.match(r"\S+:\d+$", line)]
            return " ".join(lines)[:300]
    return ""


def table(machines, records, failures):
    """Text: a line for each machine and driver, and by name what failed or was skipped."""
    counts = collections.Counter((r["machine"], r["driver"], r["outcome"]) for r in records)
    seconds = collections.Counter()
    for record in records:
        seconds[record["machine"], record["driver"]] += record["seconds"]
    out = [f"{'MACHINE':<12} {'STORE ON':<9} {'DRIVER':<14} {'PASSED':>7} {'FAILED':>7} {'SKIPPED':>8} {'TIME':>8}"]
    for machine in machines:
        for driver in sorted({driver for name, driver, _ in counts if name == machine.name}):
            passed, failed, skipped = (counts[machine.name, driver, outcome] for outcome in OUTCOMES)
            out.append(f"{machine.name:<12} {machine.data:<9} {driver:<14} {passed:>7} {failed:>7} {skipped:>8} "
                       f"{seconds[machine.name, driver]:>6.0f} s")
        if machine.name in failures:
            out.append(f"{machine.name:<12} {failures[machine.name]}")
    out += [f"{r['outcome']:<8} {r['machine']}: {r['name']}: {r['reason']}" for r in records if r["outcome"] != "passed"]
    total = collections.Counter(r["outcome"] for r in records)
    return "\n".join(out + [", ".join(f"{total[outcome]} {outcome}" for outcome in OUTCOMES)])


def junit_files(folder):
    return glob.glob(os.path.join(folder, "*.xml"))
