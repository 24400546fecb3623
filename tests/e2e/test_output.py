"""Where -o FILE goes, in every kind of place, and what a stopped command leaves."""
import os
import signal
import subprocess
import time

import archives
import legacy_tree as lt
from harness import Case


class Files(Case):
    """Of -o FILE."""

    def load(self, root, size=100):
        image = archives.Image([[lt.file("f", os.urandom(size))]])
        self.cairn("--root", root, "-s", "overlay2", "load", "-q", input=archives.docker_archive([(image, ["app:1"])]))
        return image

    def test_standard_output_by_name_is_what_the_shell_opened(self):
        root, stdout = self.path("root"), self.path("stdout")
        self.load(root)
        os.symlink("/proc/self/fd/1", stdout)       # as /dev/stdout is; that one is left alone, should this go wrong
        want = self.cairn("--root", root, "save", "app:1").stdout
        run = [self.binary, "--root", root, "save", "-q", "-o", stdout, "app:1"]
        with open(self.path("app.tar"), "wb") as out:
            out.write(b"before")
            out.flush()
            subprocess.run(run, stdout=out, check=True)
            out.seek(0, os.SEEK_CUR)
            subprocess.run(["echo", "-n", "after"], stdout=out, check=True)
        with open(self.path("app.tar"), "rb") as file:
            self.assertEqual(file.read(), b"before" + want + b"after")
        self.assertEqual(subprocess.run(run, capture_output=True, check=True).stdout, want)       # a pipe
        self.assertEqual(os.readlink(stdout), "/proc/self/fd/1")
        with open(self.path("other"), "wb") as out:
            subprocess.run([self.binary, "--root", root, "save", "-q", "-o", f"/dev/fd/{out.fileno()}", "app:1"], pass_fds=[out.fileno()], check=True)
        with open(self.path("other"), "rb") as file:
            self.assertEqual(file.read(), want)
        self.assertEqual([name for name in os.listdir(self.tmp) if "tmp-cairn" in name], [])

    def test_compressed_layers_wait_where_a_link_leads(self):
        root, disk = self.path("root"), self.tmpfs("disk", "8m")
        self.load(root, 3 << 20)
        small = self.tmpfs("small", "64k")
        os.symlink(f"{disk}/app.tar", f"{small}/app.tar")
        with open(f"{disk}/app.tar", "w"):
            pass
        self.cairn("--root", root, "save", "--compress", "gzip", "-o", f"{small}/app.tar", "app:1")
        self.assertGreater(os.path.getsize(f"{disk}/app.tar"), 3 << 20)
        self.assertTrue(os.path.islink(f"{small}/app.tar"))

    def test_links_of_others_in_a_directory_of_everybody_are_not_followed(self):
        with open("/proc/sys/fs/protected_symlinks") as switch:
            if switch.read().strip() != "1":
                self.skipTest("fs.protected_symlinks is off")
        root, mine, shared = self.path("root"), self.path("mine"), self.path("shared")
        self.load(root)
        with open(mine, "w") as file:
            file.write("mine")
        os.mkdir(shared)
        os.chmod(shared, 0o1777)
        os.symlink(mine, f"{shared}/app.tar")
        os.lchown(f"{shared}/app.tar", 65534, 65534)
        self.assertIn("Permission denied", self.cairn("--root", root, "save", "-o", f"{shared}/app.tar", "app:1", code=1).stderr)
        with open(mine) as file:
            self.assertEqual(file.read(), "mine")

    def test_a_full_disk_is_told_of_the_file_that_was_named(self):
        root = self.path("root")
        self.load(root, 1 << 20)
        self.tmpfs("m", "64k")
        for command in (["save", "app:1"], ["save", "--oci", "app:1"], ["export", "app:1"], ["diff", "app:1"]):
            with self.subTest(command=command):
                said = self.cairn("--root", root, *command, "-o", "m/a.tar", code=1, cwd=self.tmp).stderr
                self.assertIn("'m/a.tar': No space left on device", said)
                self.assertNotIn("tmp-cairn", said)
                self.assertEqual(os.listdir(self.path("m")), [])
        said = self.cairn("--root", root, "export", "app:1", "-o", "none/a.tar", code=2, cwd=self.tmp).stderr
        self.assertEqual(said, "cairn: writing a tar archive to 'none/a.tar': No such file or directory\n")

    def start_long(self, root, **popen):
        """An export that takes seconds, at the moment its file is being written."""
        file = self.path("out")
        running = self.start("--root", root, "export", "box", "-o", file, **popen)
        while not any(name.startswith("out.tmp") and os.path.getsize(self.path(name)) > 1000 for name in os.listdir(self.tmp)):
            self.assertIsNone(running.process.poll())
            time.sleep(0.01)
        return running

    def test_what_is_stopped_leaves_no_file(self):
        self.in_memory()
        root = self.path("root")
        self.load(root)
        layer = self.cairn("--root", root, "create", "--name", "box", "app:1").text().strip()
        with open(f"{root}/overlay2/{layer}/diff/big", "wb") as big:
            big.truncate(1 << 30)
        before = sorted(os.listdir(self.tmp))
        for stop in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            running = self.start_long(root)
            os.kill(running.process.pid, stop)
            done = running.finish()
            self.assertEqual((done.code, done.stderr), (130, "cairn: interrupted\n"), stop)
            self.assertEqual(sorted(os.listdir(self.tmp)), before, stop)
        nohup = self.start_long(root, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        os.kill(nohup.process.pid, signal.SIGHUP)
        self.assertEqual(nohup.finish().code, 0)
