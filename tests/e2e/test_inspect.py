"""cairn inspect --format beside docker's."""
import legacy_tree as lt
from harness import Case

CONFIG = ("Hostname", "Domainname", "User", "AttachStdin", "ExposedPorts", "Tty", "OpenStdin", "StdinOnce", "Env", "Cmd", "Healthcheck", "ArgsEscaped",
          "Image", "Volumes", "WorkingDir", "Entrypoint", "NetworkDisabled", "MacAddress", "OnBuild", "Labels", "StopSignal", "StopTimeout", "Shell",
          "Healthcheck.Test", "Healthcheck.Interval", "Healthcheck.StartPeriod", "Healthcheck.Retries", "Nonsense")
IMAGE = ("ID", "Id", "RepoTags", "RepoDigests", "Parent", "Comment", "Created", "Container", "DockerVersion", "Author", "Architecture", "Variant", "Os",
         "OsVersion", "Size", "VirtualSize", "RootFS", "RootFS.Type", "RootFS.Layers", "RootFS.BaseLayer", "GraphDriver.Name", "ContainerConfig.Env", "Nonsense")
TEXTS = ("{{json .Id}}", "{{json .ID}}", "{{.Id}} {{.Config.Labels}} {{.Config.Volumes}}", "{{.Id}} {{.Nonsense}}", "{{.Id}} {{.Config.Hostname}}")


class Fields(Case):
    CHANGES = ["ENV A=1 B=2", "EXPOSE 80 53/udp", "VOLUME /v /w", "HEALTHCHECK --interval=1m30s --timeout=1500ms --retries=3 CMD true",
               'ENTRYPOINT ["/x", "a b"]', "LABEL a=b c=d", "WORKDIR /w", "USER 5", "ONBUILD RUN x", 'CMD ["y"]']

    def test_inspect_fills_templates_as_docker_does(self):
        self.need_engine()
        root = self.path("root")
        data = lt.layer_tar([lt.file("x", b"1")])
        with self.engine(root, "overlay2") as dockerd:
            dockerd.docker("import", "-", "bare:1", input=data)
            dockerd.docker("import", *(arg for change in self.CHANGES for arg in ("--change", change)), "-m", "said", "-", "full:1", input=data)
            dockerd.docker("create", "--name", "full", "--network", "none", "--stop-timeout", "7", "full:1")
            dockerd.docker("create", "--name", "bare", "--network", "none", "bare:1", "x")
            texts = [form.format(name) for name in CONFIG for form in ("{{{{.Config.{}}}}}", "{{{{json .Config.{}}}}}")] + list(TEXTS)
            images = texts + [form.format(name) for name in IMAGE for form in ("{{{{.{}}}}}", "{{{{json .{}}}}}")]
            images += ["{{.Config.Healthcheck}}", "<{{.Config.User}}>\t{{json .Config.Cmd}}"]
            containers = texts + ["{{.ID}}", "{{.Name}}", "{{.Image}}", "{{.Path}} {{.Args}}"]
            asked = [(name, text) for name in ("bare:1", "full:1") for text in images] + [(name, text) for name in ("bare", "full") for text in containers]
            want = {one: dockerd.docker("inspect", "-f", one[1], one[0], check=False) for one in asked}
        for (name, text), theirs in want.items():
            with self.subTest(name=name, text=text):
                ours = self.cairn("--root", root, "inspect", "-f", text, name, code=None)
                self.assertEqual(ours.code == 0, theirs.returncode == 0, f"{theirs.stdout} {theirs.stderr}\n{ours}")
                if theirs.returncode == 0:
                    self.assertEqual(ours.stdout, theirs.stdout)
