#!/usr/bin/env python3
"""run.py --list           names of all cases
run.py NAME...          runs them against $CAIRN_BIN; exit 0 passed, 1 failed, 77 this machine cannot (the reason is printed)

A name is MODULE.CASE without the leading "test_": test_migrate.py's test_tiny_vfs_to_overlay2 is migrate.tiny_vfs_to_overlay2.
"""
import glob
import importlib
import os
import sys
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
import mounts


def cases():
    """name -> test, in order."""
    found = {}
    for path in sorted(glob.glob(f"{HERE}/test_*.py")):
        module = os.path.basename(path)[len("test_"):-len(".py")]
        for suite in unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(f"test_{module}")):
            for test in suite:
                name = f"{module}.{test._testMethodName.removeprefix('test_')}"
                if name in found:
                    sys.exit(f"two cases are called {name}")
                found[name] = test
    return found


def main(names):
    known = cases()
    if names == ["--list"]:
        print("\n".join(known))
        return 0
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        sys.exit(__doc__ + (f"\nno such case: {' '.join(unknown)}" if unknown else ""))
    mounts.become_private()              # else engines of cases that run beside this one keep copies of what it mounts
    result = unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite(known[name] for name in names))
    for _, reason in result.skipped:
        print(f"SKIP: {reason}")
    if not result.wasSuccessful():
        return 1
    whole = [test for test, _ in result.skipped if test in known.values()]      # not a part of one
    return 77 if len(whole) == len(names) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
