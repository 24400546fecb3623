"""Runs the commands of the README's walk through, as they stand there, on a root that is bound to /var/lib/docker.

    readme_steps.py ROOT TOOLS < commands     in namespaces of its own (engine.UNSHARE)

TOOLS/ is the first directory of PATH: the cairn under test, and a systemctl that starts and stops a real engine there.
"""
import os
import subprocess
import sys

import engine

SYSTEMCTL = """#!/bin/bash
# As much of systemctl as the README needs: {run} is the engine's place for everything but its root.
set -eu
[ "$2" = docker ]
case $1 in
  stop)
    if [ -e {run}/docker.pid ]; then
      pid=$(cat {run}/docker.pid)
      kill "$pid"
      while [ -e "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status"; do sleep 0.1; done
      rm -f {run}/docker.pid
    fi ;;
  start)
    {dockerd} --pidfile {run}/docker.pid --exec-root {run}/exec --iptables=false --ip6tables=false --bridge=none \\
      --ip-forward=false --ip-masq=false --userland-proxy=false < /dev/null > {run}/docker.log 2>&1 &
    for ((n = 0; n < 900; ++n)); do
      {docker} version > /dev/null 2>&1 && exit 0
      sleep 0.1
    done
    cat {run}/docker.log >&2
    exit 1 ;;
esac
"""


def commands(readme):
    """The lines of the section's ```sh blocks, in order."""
    section = readme.split("## From an aufs host to overlay2\n")[1].split("\n## ")[0]
    blocks = [part.split("```")[0] for part in section.split("```sh\n")[1:]]
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def write_tools(tools, cairn):
    os.makedirs(tools)
    os.symlink(os.path.realpath(cairn), f"{tools}/cairn")
    with open(f"{tools}/systemctl", "w") as script:
        script.write(SYSTEMCTL.format(run="/run", dockerd=engine.DOCKERD, docker=engine.DOCKER))
    os.chmod(f"{tools}/systemctl", 0o755)


def _mount(source, target, *flags):
    subprocess.run(["mount", *flags, source, target], check=True)


def _inside(root, tools):
    engine._set_up_namespaces()
    _mount("none", "/var/lib", "-t", "tmpfs")                    # of this machine's nothing is seen, and nothing left in it
    os.mkdir("/var/lib/docker")
    _mount(root, "/var/lib/docker", "--bind")
    if os.path.isdir("/etc/docker"):
        _mount("none", "/etc/docker", "-t", "tmpfs")             # a daemon.json of this machine is not the README's
    script = "set -eux\n" + sys.stdin.read()
    os.chdir(tools)
    done = subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL,
                          env={"PATH": f"{tools}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": tools})
    subprocess.run([f"{tools}/systemctl", "stop", "docker"], check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    _inside(*sys.argv[1:])
