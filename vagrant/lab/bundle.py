"""The test programs with the libraries they need beside them: built once here, run on any machine with a Linux kernel."""
import glob
import os
import re
import shutil
import subprocess

from lab.machines import BUILD, HERE, PROJECT

LOADER = "ld-linux-x86-64.so.2"
# The libraries of whoever built it, for this program and not for what it starts.
START = f"""#!/bin/sh
bundle=$(dirname "$(dirname "$(readlink -f "$0")")")
exec "$bundle/lib/{LOADER}" --library-path "$bundle/lib" "$bundle/programs/${{0##*/}}" "$@"
"""


def make():
    """Builds what is out of date and returns the bundle's folder."""
    subprocess.run([os.path.join(PROJECT, "scripts/build"), "release"], check=True, stdout=subprocess.DEVNULL)
    folder = os.path.join(BUILD, "bundle")
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("bin", "lib", "programs"):
        os.makedirs(os.path.join(folder, name))
    release = os.path.join(PROJECT, "build/release")
    programs = [p for p in glob.glob(f"{release}/tests/test_*") if os.path.isfile(p) and os.access(p, os.X_OK)]
    for program in [f"{release}/cli/cairn", *programs]:
        _add(program, folder)
    shutil.copytree(os.path.join(PROJECT, "tests/fixtures"), os.path.join(folder, "fixtures"))
    shutil.copy(os.path.join(HERE, "suite"), folder)
    return folder


def _add(program, folder):
    name = os.path.basename(program)
    subprocess.run(["strip", "-g", "-o", os.path.join(folder, "programs", name), program], check=True)
    with open(os.path.join(folder, "bin", name), "w", encoding="utf-8") as file:
        file.write(START)
    os.chmod(os.path.join(folder, "bin", name), 0o755)
    needed = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    for library in re.findall(r"(/\S+) \(0x", needed):
        kept = os.path.join(folder, "lib", os.path.basename(library))
        if not os.path.exists(kept):
            shutil.copy(library, kept)
