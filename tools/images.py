"""Builds the images without a registry, enters them, and prints their sizes.

    python -m tools.images cpu gpu                                # a base of Debian's packages, made by mmdebstrap
    python -m tools.images cpu --base docker.io/library/python:3.11-slim
    python -m tools.images gpu --remove                           # remove the image afterwards: several GB

Needs root, and Debian's packages buildah, mmdebstrap, iproute2 and util-linux. Each image is entered twice: by `buildah
run`, and as an orchestrator would start it: as its user, with its command, a root file system that cannot be written
to, and a network of its own with nothing but the loopback. There it has to serve a clip of a smile to a client outside
of it, its health check has to fail while the server is stopped (SIGSTOP), and SIGTERM has to end it with 0.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from gifcue.cli.demo import EXPECTED, make_clip
from tools.locks import ROOT

BASE = "localhost/gifcue-python-base"
# What deploy/Dockerfile asks of a base image.
BASE_PACKAGES = "python3,python3-venv,python-is-python3,ca-certificates"
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
# Where the certificates are that this machine's package index is checked with.
CERTIFICATES = "/etc/ssl/certs"
START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 30.0
CLIP_S = 4.0
POLL_S = 0.5
MOUNTS = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount --rbind /dev "$1/dev"
mount --rbind /proc "$1/proc"
mount -t tmpfs tmpfs "$1/tmp"
mount -t tmpfs -o mode=0777 tmpfs "$1/var/lib/gifcue/gestures"
ip link set lo up
root=$1 user=$2
shift 2
exec chroot --userspec="$user" "$root" "$@"
"""


def run(*command: str, **options: Any) -> str:
    """Runs a program and returns what it prints. Raises subprocess.CalledProcessError where it fails."""
    output: str = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout
    return output.strip()


def make_base() -> str:
    """Makes the base image of Debian's packages, unless it is there. Returns its name."""
    if subprocess.run(["buildah", "inspect", "--type", "image", BASE], capture_output=True).returncode == 0:
        return BASE
    with tempfile.TemporaryDirectory() as folder:
        archive = f"{folder}/base.tar"
        excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
        licences = "--dpkgopt=path-include=/usr/share/doc/*/copyright"
        run("mmdebstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", *excluded, licences,
            "bookworm", archive)  # fmt: skip
        container = run("buildah", "from", "scratch")
        run("buildah", "add", container, archive, "/")
        run("buildah", "commit", "-q", "--rm", container, BASE)
    return BASE


def build(target: str, base: str) -> str:
    """Builds one target of deploy/Dockerfile. Returns the image's name."""
    name = f"localhost/gifcue:{target}"
    # Docker's format, because that of OCI has no health check.
    run("buildah", "bud", "--isolation=chroot", "--layers", "--format", "docker", "--build-arg", f"PYTHON_IMAGE={base}",
        "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro", "--target", target, "--tag", name,
        "--file", "deploy/Dockerfile", ".", cwd=ROOT)  # fmt: skip
    return name


def print_sizes(name: str) -> None:
    """The compressed size of an image, and that of each layer, as a registry would store them."""
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        archive = Path(folder) / "image.tar"
        run("buildah", "push", "-q", "--format", "oci", name, f"oci-archive:{archive}")
        with tarfile.open(archive) as image:
            sizes = sorted((member.size for member in image if member.isfile()), reverse=True)
    layers = ", ".join(f"{size / 1e6:.1f}" for size in sizes if size > 1e5)
    print(f"{name}: {sum(sizes) / 1e6:.1f} MB compressed; layers of {layers} MB", flush=True)


def print_contents(root: Path) -> None:
    """What takes the space of the environment: its largest parts, as they are and compressed by themselves."""
    (packages,) = root.glob("opt/gifcue/lib/python3*/site-packages")
    sizes = [line.split("\t") for line in run("du", "-sb", *map(str, packages.iterdir())).splitlines()]
    parts = sorted(((int(size), Path(path)) for size, path in sizes), reverse=True)[:14]
    print(f"{'part':34}{'MB':>8}{'compressed':>12}")
    for part in [(0, root / "usr"), *parts]:
        path = part[1]
        packed = run("sh", "-c", 'tar -C "$1" -cf - . 2>/dev/null | gzip -6 | wc -c', "sh", str(path))
        size = part[0] or int(run("du", "-sbx", str(path)).split("\t")[0])
        label = "/usr, the base" if path == root / "usr" else path.name
        print(f"{label:34}{size / 1e6:8.1f}{int(packed) / 1e6:12.1f}", flush=True)


class Started:
    """An image that runs as an orchestrator would run it, but for what only a container runtime can do."""

    def __init__(self, name: str, root: Path) -> None:
        described = json.loads(run("buildah", "inspect", "--type", "image", name))
        config = described["OCIv1"]["config"]
        self._root, self._user = str(root), config["User"]
        self._environment = dict(each.split("=", 1) for each in config["Env"])
        self.health_check: list[str] = described["Docker"]["config"]["Healthcheck"]["Test"][1:]
        command = ["unshare", "--mount", "--net", "--", "sh", "-c", MOUNTS, "sh", self._root, self._user]
        # Each of these programs executes the next one, so that this is the server's process in the end.
        self.server = subprocess.Popen([*command, *config["Entrypoint"], "--insecure"], env=self._environment)

    def enter(self, *command: str, timeout_s: float = 60.0) -> int:
        """Runs a command in the image and its network. Returns its exit status, 124 where it takes too long."""
        entered = ["nsenter", "--target", str(self.server.pid), "--mount", "--net"]
        entered += ["chroot", f"--userspec={self._user}", self._root]
        try:
            return subprocess.run([*entered, *command], env=self._environment, timeout=timeout_s).returncode
        except subprocess.TimeoutExpired:
            return 124

    def wait(self) -> None:
        """Returns once the health check succeeds. Raises SystemExit where it does not in time."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while self.enter(*self.health_check):
            if self.server.poll() is not None or time.monotonic() > deadline_s:
                sys.exit(f"expected the server to serve within {START_TIMEOUT_S:g} s, it does not")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that does not help."""
        self.server.send_signal(signal.SIGTERM)
        try:
            code = self.server.wait(STOP_TIMEOUT_S)
        finally:
            self.server.kill()
        if code:
            sys.exit(f"expected exit status 0 after SIGTERM, got {code}")


def check(name: str, root: Path, clip: Path) -> None:
    """Serves from an image. Raises SystemExit where it does not do what it has to."""
    started_s = time.monotonic()
    started = Started(name, root)
    try:
        started.wait()
        print(f"{name}: serves after {time.monotonic() - started_s:.1f} s", flush=True)
        if not started.enter("sh", "-c", "touch /etc/written 2>/dev/null"):
            sys.exit("expected a root file system that cannot be written to")
        if started.enter("sh", "-c", 'test "$(id -u)" -ne 0 && touch /var/lib/gifcue/gestures/written'):
            sys.exit("expected a user other than root, and a folder of gestures that it may write to")
        python = (sys.executable, "-m", "gifcue")
        with tempfile.TemporaryFile("w+") as output:
            command = ["nsenter", "--target", str(started.server.pid), "--net", *python]
            stream = [*command, "stream", str(clip), "--server", "127.0.0.1:50051", "--json"]
            subprocess.run(stream, stdout=output, timeout=120, check=True)
            output.seek(0)
            text = output.read()
        if f'"{EXPECTED}"' not in text:
            sys.exit(f"expected a {EXPECTED} in the events of the clip, got none:\n{text[-2000:]}")
        started.server.send_signal(signal.SIGSTOP)
        code = started.enter(*started.health_check, timeout_s=5.0)
        started.server.send_signal(signal.SIGCONT)
        if not code:
            sys.exit("expected the health check to fail while the server is stopped, it succeeds")
        started.wait()
        print(f"{name}: a {EXPECTED} was found; the health check fails while the server does", flush=True)
    finally:
        started.stop()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="+", choices=["cpu", "gpu"])
    parser.add_argument("--base", help="base image; by default one is made of Debian's packages")
    parser.add_argument("--contents", action="store_true", help="print what takes the space")
    parser.add_argument("--remove", action="store_true", help="remove the images afterwards")
    options = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    base = options.base or make_base()
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder), CLIP_S, "clip.mp4")
        for target in options.targets:
            name = build(target, base)
            print_sizes(name)
            container = run("buildah", "from", name)
            try:
                version = run("buildah", "run", "--isolation=chroot", container, "--", "gifcue", "--version")
                print(f"{name}: entered by buildah run, {version}", flush=True)
                root = Path(run("buildah", "mount", container))
                if options.contents:
                    print_contents(root)
                check(name, root, clip)
            finally:
                run("buildah", "rm", container)
            if options.remove:
                run("buildah", "rmi", "--force", name)
        if options.remove:
            # Images without a name, left by earlier builds. `rmi` takes either names or --prune.
            run("buildah", "rmi", "--prune", "--force")


if __name__ == "__main__":
    main()
