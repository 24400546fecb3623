"""Times programs against each other: every run starts from an empty directory, runs are interleaved, so that a drifting machine
hits all alike. Only ratios within one contest mean anything."""
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import harness  # noqa: E402


def sh(*command, **more):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more)


def remove(store):
    """With what programs left mounted there."""
    for target in reversed(harness.mounts_below(store)):
        subprocess.run(["umount", "-l", target], check=False)
    shutil.rmtree(store, ignore_errors=True)


class Contests:
    def __init__(self, work, runs, only=None):
        self.work, self.runs, self.only = work, runs, only
        self.results = []

    def hold(self, title, contestants, before=lambda: None):
        """contestants: name -> function of an empty directory, which may return the seconds it took. Prints medians and ratios to
        the first. `before` is called before each run."""
        chosen = {name: run for name, run in contestants.items() if not self.only or name in self.only}
        if not chosen:
            return
        taken = {name: [] for name in chosen}
        for _ in range(self.runs):
            for name, run in chosen.items():
                store = tempfile.mkdtemp(prefix="store-", dir=self.work)
                sh("sync", "-f", self.work)      # not sync(2): other disks may be busy
                before()
                taken[name].append(self._time(run, store))
                remove(store)
        print(f"\n{title}\n  {'':26} {'seconds':>8} {'ratio':>7} {'processor':>10} {'ratio':>7}")
        rows = self._rows(taken)
        for row in rows:
            print(f"  {row['name']:26} {row['seconds']:8.2f} x{row['ratio']:6.2f} {row['processor_seconds']:10.2f} "
                  f"x{row['processor_ratio']:6.2f}   runs {' '.join(f'{s:.2f}' for s in row['runs'])}", flush=True)
        self.results.append({"title": title, "rows": rows})

    def _time(self, run, store):
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        took = run(store)
        took = took if took is not None else time.monotonic() - began
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        return took, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime

    def _rows(self, taken):
        medians = {name: [statistics.median(values) for values in zip(*runs)] for name, runs in taken.items()}
        first = next(iter(medians.values()))
        return [{"name": name, "seconds": wall, "ratio": wall / first[0], "processor_seconds": processor,
                 "processor_ratio": processor / first[1], "runs": [run[0] for run in taken[name]]}
                for name, (wall, processor) in medians.items()]

    def write_json(self, path):
        with open(path, "w") as out:
            json.dump({"processors": os.cpu_count(), "contests": self.results}, out, indent=2)
            out.write("\n")
