#!/usr/bin/env python3
"""Plants types of one name in a small tree and expects check_names.py to tell which clash."""
import pathlib
import tempfile
import unittest

import check_names

CLASHES = {
    "two structs": ("namespace cairn {\nstruct A {\n};\n}  // namespace cairn\n", "namespace cairn {\nstruct A {\n};\n}  // namespace cairn\n"),
    "a class and one that derives": ("namespace cairn {\nclass A {\n};\n}  // namespace cairn\n",
                                     "namespace cairn {\nclass A : public B {\n};\n}  // namespace cairn\n"),
    "two enums after an anonymous namespace": ("namespace cairn {\nenum class A { x };\n}  // namespace cairn\n",
                                               "namespace cairn {\nnamespace {\nint y;\n}  // namespace\nenum class A { x };\n}  // namespace cairn\n"),
}
PEACE = {
    "an anonymous one": ("namespace cairn {\nstruct A {\n};\n}  // namespace cairn\n",
                         "namespace cairn {\nnamespace {\nstruct A {\n};\n}  // namespace\n}  // namespace cairn\n"),
    "two namespaces": ("namespace cairn::x {\nstruct A {\n};\n}  // namespace cairn::x\n", "namespace cairn::y {\nstruct A {\n};\n}  // namespace cairn::y\n"),
    "a declaration": ("namespace cairn {\nstruct A {\n};\n}  // namespace cairn\n", "namespace cairn {\nstruct A;\nclass B;\n}  // namespace cairn\n"),
    "a part of a class": ("namespace cairn {\nclass A {\n};\n}  // namespace cairn\n", "namespace cairn {\nclass A::Part {\n};\n}  // namespace cairn\n"),
}


def found_in(one, other):
    with tempfile.TemporaryDirectory() as root:
        for name, text in (("core/one.h", one), ("graphdb/other.cc", other)):
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return list(check_names.violations(root))


class CheckNames(unittest.TestCase):
    def test_each_clash_is_told(self):
        for what, (one, other) in CLASHES.items():
            with self.subTest(what):
                self.assertEqual(len(found_in(one, other)), 1)

    def test_what_cannot_clash_passes(self):
        for what, (one, other) in PEACE.items():
            with self.subTest(what):
                self.assertEqual(found_in(one, other), [])


if __name__ == "__main__":
    unittest.main()
