#!/usr/bin/env python3
"""Plants one violation at a time in a small tree and expects check_includes.py to name it."""
import pathlib
import tempfile
import unittest

import check_includes

CLEAN = {
    "core/interfaces/driver.h": '#include <string>\n#include "core/util/fd.h"\n',
    "core/util/fd.h": "#pragma once\n",
    "drivers/sys/mount.cc": '#include <libmount.h>\n#include "core/util/fd.h"\n',
    "drivers/vfs/vfs.cc": '#include "drivers/sys/mount.h"\n#include "drivers/vfs/vfs.h"\n',
    "graphdb/legacy/names.cc": '#include <sqlite3.h>\n#include "graphdb/place.h"\n',
    "registry/client.cc": '#include "core/interfaces/blob_source.h"\n',
    "cli/wiring.cc": '#include "cli/wiring.h"\n#include "drivers/vfs/vfs.h"\n#include "graphdb/place.h"\n',
    "cli/images.cc": '#include "cli/wiring.h"\n#include "core/layer/layer_store.h"\n',
}
PLANTED = {
    "core includes a driver": ("core/util/x.cc", '#include "drivers/vfs/vfs.h"'),
    "core includes metadata": ("core/util/x.cc", '#include "graphdb/place.h"'),
    "core includes the registry": ("core/util/x.h", '#include "registry/client.h"'),
    "core includes a command": ("core/util/x.h", ' #  include "cli/wiring.h"'),
    "a driver includes another": ("drivers/vfs/x.cc", '#include "drivers/overlay2/overlay2.h"'),
    "a driver includes the drivers' own folder": ("drivers/vfs/x.cc", '#include "drivers/all.h"'),
    "a driver includes metadata": ("drivers/vfs/x.cc", '#include "graphdb/place.h"'),
    "metadata includes a driver": ("graphdb/legacy/x.cc", '#include "drivers/vfs/vfs.h"'),
    "the registry includes metadata": ("registry/x.cc", '#include "graphdb/place.h"'),
    "a command names a driver": ("cli/x.cc", '#include "drivers/vfs/vfs.h"'),
    "a command names metadata": ("cli/x.h", '#include "graphdb/place.h"'),
    "libmount outside drivers/sys": ("drivers/overlay2/x.cc", "#include <libmount/libmount.h>"),
    "SQLite outside graphdb/legacy": ("core/util/x.cc", "#include <sqlite3.h>"),
    "code among the contracts": ("core/interfaces/x.cc", ""),
    "an include from the file's own folder": ("core/util/x.cc", '#include "fd.h"'),
    "an include that climbs": ("core/util/x.cc", '#include "../../drivers/vfs/vfs.h"'),
}


def found_in(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return list(check_includes.violations(root))


class CheckIncludes(unittest.TestCase):
    def test_a_tree_in_order_passes(self):
        self.assertEqual(found_in(CLEAN), [])

    def test_each_planted_violation_is_named(self):
        for what, (name, text) in PLANTED.items():
            with self.subTest(what):
                found = found_in({**CLEAN, name: text + "\n"})
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(name + ":"), found)


if __name__ == "__main__":
    unittest.main()
