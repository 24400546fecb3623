#!/usr/bin/env python3
"""What the matrix makes of the JUnit files of its machines."""
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../vagrant"))

from lab import machines, results  # noqa: E402

CASES = {
    "passed": '<testcase name="G1/overlay2" classname="DriverConformance" file="../tests/conformance/g.cc" status="run" time="1.5"/>',
    "failed": '<testcase name="Starts" classname="ThinPools" file="../tests/drivers/devicemapper/pool_test.cc" status="run" time="2">'
              '<failure message="pool_test.cc:7&#x0A;Expected: 1"/></testcase>',
    "skipped": '<testcase name="Reads" classname="Tree" file="../tests/core/archive/tree_test.cc" status="run" time="0">'
               '<skipped message="/x/tree_test.cc:9&#x0A;needs a moon"/></testcase>',
    "disabled": '<testcase name="DISABLED_Off" classname="Tree" file="../tests/drivers/sys/mount_test.cc" status="notrun" time="0"/>',
}


class Results(unittest.TestCase):
    def setUp(self):
        self.machine = machines.pick(["debian12"])[0]

    def read(self, *cases):
        with tempfile.TemporaryDirectory() as folder:
            text = "".join(CASES[case] for case in cases)
            pathlib.Path(folder, "a.xml").write_text(f"<testsuites><testsuite>{text}</testsuite></testsuites>")
            return results.read(self.machine, folder)

    def test_outcomes_drivers_and_reasons(self):
        found = [(r["driver"], r["outcome"], r["reason"]) for r in self.read(*CASES)]
        self.assertEqual(found, [("overlay2", "passed", ""), ("devicemapper", "failed", "Expected: 1"),
                                 ("(all others)", "skipped", "needs a moon"), ("(all others)", "skipped", "")])

    def test_table_counts_and_names_what_did_not_pass(self):
        text = results.table([self.machine], self.read(*CASES), {})
        self.assertRegex(text, r"debian12 +xfs +devicemapper +0 +1 +0 +2 s")
        self.assertIn("failed   debian12: ThinPools.Starts: Expected: 1", text)
        self.assertIn("skipped  debian12: Tree.Reads: needs a moon", text)
        self.assertTrue(text.endswith("1 passed, 1 failed, 2 skipped"))

    def test_a_machine_without_results_is_named(self):
        self.assertIn("it did not come up", results.table([self.machine], [], {"debian12": "it did not come up"}))


class Machines(unittest.TestCase):
    def test_each_has_a_thin_pool_and_one_lies_on_each_file_system(self):
        local = machines.pick([])
        self.assertEqual({m.data for m in local}, {"ext4", "xfs", "btrfs"})
        for machine in local:
            self.assertLessEqual({"overlay2", "overlay", "btrfs", "vfs", "devicemapper"}, set(machine.drivers), machine.name)

    def test_an_unknown_one_is_refused_by_name(self):
        with self.assertRaisesRegex(SystemExit, "no machine 'hurd'"):
            machines.pick(["hurd"])


if __name__ == "__main__":
    unittest.main()
