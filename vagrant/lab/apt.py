"""Debian's packages of any suite, from the mirror this machine's own apt uses, without touching its configuration."""
import glob
import os
import re
import subprocess

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def mirror():
    """(address of Debian, address of its security updates), from apt's sources."""
    deb822 = re.compile(r"^URIs:\s*(\S+)", re.MULTILINE)
    one_line = re.compile(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)", re.MULTILINE)
    for path in sorted(glob.glob("/etc/apt/sources.list.d/debian*.sources") + glob.glob("/etc/apt/sources.list")):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        found = (deb822 if path.endswith(".sources") else one_line).findall(text)
        debian = [address.rstrip("/") for address in found if "security" not in address]
        if debian:
            security = [address.rstrip("/") for address in found if "security" in address]
            return debian[0], security[0] if security else debian[0] + "-security"
    raise SystemExit("looking for Debian's mirror: apt's sources name none; this needs a Debian host")


def sources(suite):
    """Lines for a sources.list of `suite` with its security updates."""
    debian, security = mirror()
    return [f"deb [signed-by={KEYRING}] {debian} {suite} main",
            f"deb [signed-by={KEYRING}] {security} {suite}-security main"]


class Suite:
    """apt for one suite, with lists and cache of its own below `folder`."""

    def __init__(self, suite, folder):
        self.folder = folder
        for name in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        with open(os.path.join(folder, "sources.list"), "w", encoding="utf-8") as file:
            file.write("\n".join(sources(suite)) + "\n")
        self._run("apt-get", "-qq", "update")

    def dependencies(self, package):
        text = self._run("apt-cache", "depends", package)
        return re.findall(r"^\s*Depends: (\S+)", text, re.MULTILINE)

    def download(self, package):
        """The path of its .deb."""
        self._run("apt-get", "-qq", "download", package)
        return next(os.path.join(self.folder, name) for name in os.listdir(self.folder) if name.endswith(".deb"))

    def _run(self, program, *arguments):
        settings = {"Dir::Etc::sourcelist": f"{self.folder}/sources.list", "Dir::Etc::sourceparts": "/dev/null",
                    "Dir::State::lists": f"{self.folder}/lists", "Dir::Cache": f"{self.folder}/cache",
                    "Acquire::Languages": "none", "APT::Sandbox::User": "root"}
        options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
        done = subprocess.run([program, *options, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{program} {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout
