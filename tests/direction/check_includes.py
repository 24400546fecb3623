#!/usr/bin/env python3
"""Checks which way includes point: cli -> {drivers, graphdb, registry} -> core.

usage: check_includes.py SOURCE_ROOT

Prints one line per violation and exits 1 if there is any. What each room may include stands in `allowed`.
"""
import pathlib
import re
import sys

ROOMS = ("core", "drivers", "graphdb", "registry", "cli")
IMPLEMENTATIONS = ("drivers", "graphdb", "registry")
# Libraries that one room alone may call: header -> folder.
OWNED_LIBRARIES = {
    "libmount.h": "drivers/sys",
    "libmount/libmount.h": "drivers/sys",
    "libdevmapper.h": "drivers/sys",
    "sqlite3.h": "graphdb/legacy",
    "curl/curl.h": "registry",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)


def allowed(path, header):
    """Whether the file `path` may include the project's `header`; both relative to the source root."""
    room, target = path.parts[0], pathlib.PurePosixPath(header)
    if target.parts[0] == "core":
        return True
    if room == "cli":
        return target.parts[0] == "cli" or (path.stem == "wiring" and target.parts[0] in IMPLEMENTATIONS)
    if room == "drivers" and target.parts[0] == "drivers":
        own = path.parts[1] if len(path.parts) > 2 else None
        return len(target.parts) > 2 and target.parts[1] in (own, "sys")
    return room != "core" and target.parts[0] == room


def violations(root):
    """Every violation below `root`, as one line of text each."""
    root = pathlib.Path(root)
    for path in sorted(p for room in ROOMS for p in (root / room).rglob("*") if p.suffix in (".cc", ".h")):
        relative = path.relative_to(root)
        if relative.parts[:2] == ("core", "interfaces") and path.suffix == ".cc":
            yield f"{relative}: core/interfaces holds contracts only, no .cc"
        for kind, header in INCLUDE.findall(path.read_text()):
            if kind == "<":
                owner = OWNED_LIBRARIES.get(header)
                if owner and not relative.is_relative_to(owner):
                    yield f"{relative}: includes <{header}>, which only {owner} may call"
            elif header.split("/")[0] not in ROOMS:
                yield f'{relative}: includes "{header}"; name it from the source root'
            elif not allowed(relative, header):
                yield f'{relative}: may not include "{header}"'


def main(root):
    found = list(violations(root))
    print("\n".join(found) or "every include points the right way")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
