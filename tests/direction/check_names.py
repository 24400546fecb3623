#!/usr/bin/env python3
"""Checks that no two types of the program have one name: linked together, they would silently become one.

usage: check_names.py SOURCE_ROOT

Looks at namespace scope, anonymous namespaces aside. Prints one line per name and exits 1 if there is any.
"""
import collections
import pathlib
import re
import sys

from check_includes import ROOMS

OPENS = re.compile(r"^(?:inline )?namespace ?([\w:]*) \{|^\}  // namespace ?([\w:]*)$|^(?:struct|class|union|enum(?: class| struct)?) (\w+)"
                   r"(?: final)?(?: :[^:{;][^{;]*)? ?\{", re.MULTILINE)


def types_of(text):
    """Qualified names of the types that `text` defines where others can see them."""
    inside = []
    for opened, closed, name in OPENS.findall(text):
        if name:
            if "" not in inside:
                yield "::".join(inside + [name])
        elif inside and closed == inside[-1]:
            inside.pop()
        else:
            inside.append(opened)


def violations(root):
    root = pathlib.Path(root)
    places = collections.defaultdict(set)
    for path in sorted(p for room in ROOMS for p in (root / room).rglob("*") if p.suffix in (".cc", ".h")):
        for name in types_of(path.read_text()):
            places[name].add(str(path.relative_to(root)))
    for name, files in sorted(places.items()):
        if len(files) > 1:
            yield f"{name} is defined in {', '.join(sorted(files))}"


def main(root):
    found = list(violations(root))
    print("\n".join(found) or "every type has a name of its own")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
