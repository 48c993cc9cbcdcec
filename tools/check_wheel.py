"""Checks a built wheel in an empty environment outside of any checkout, and prints its size and the environment's.

python -m tools.check_wheel dist/gifcue-VERSION-py3-none-any.whl

Without extras the wheel must serve. With the extra `demo` it must find the smile in the demo's clip. The versions are
those of constraints.txt.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
# Packages for training, which serving must not need.
LAB_ONLY = ("tensorflow", "keras", "matplotlib", "sklearn", "scipy")
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
DEMO_TIMEOUT_S = 180.0
INSTALL_TIMEOUT_S = 600.0
POLL_S = 0.5


class Environment:
    """A virtual environment in a folder. Its commands do not see the caller's environment variables."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=True)
        self.bin = folder / "venv" / "bin"
        self._folder = folder
        # Settings of pip, such as an index or a cache, are those of the machine. No other variable is passed on.
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        caches = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        self._variables = {"PATH": f"{self.bin}:/usr/bin:/bin", "XDG_CACHE_HOME": caches, **pip}

    def install(self, requirement: str) -> None:
        self.run("pip", "install", "-q", "--disable-pip-version-check", "-c", str(CONSTRAINTS), requirement,
                 timeout_s=INSTALL_TIMEOUT_S)  # fmt: skip

    def run(self, command: str, *arguments: str, timeout_s: float, check: bool = True) -> int:
        """Runs a command of the environment with this process's output. Returns its exit code.

        Raises:
            subprocess.SubprocessError: it takes longer than `timeout_s`, or it fails and `check` is set.
        """
        done = subprocess.run(
            [self.bin / command, *arguments],
            cwd=self._folder,
            env=self._variables,
            timeout=timeout_s,
            check=check,
        )
        return done.returncode

    def start(self, command: str, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([self.bin / command, *arguments], cwd=self._folder, env=self._variables)

    def megabytes(self) -> int:
        """The size of site-packages on disk in megabytes."""
        (packages,) = self.bin.parent.glob("lib/python*/site-packages")
        size = subprocess.run(["du", "-sm", packages], capture_output=True, text=True, check=True).stdout
        return int(size.split()[0])


def main() -> None:
    wheel = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="gifcue-wheel-") as folder:
        environment = Environment(Path(folder))
        environment.install(str(wheel))
        print(f"wheel: {wheel.stat().st_size / 1e6:.1f} MB")
        print(
            f"serving environment: {environment.megabytes()} MB (du -sm of site-packages, pip included)",
            flush=True,
        )
        _check_absent(environment)
        _check_serving(environment)
        environment.install(f"{wheel}[demo]")
        environment.run("gifcue", "demo", timeout_s=DEMO_TIMEOUT_S)
    print("the wheel serves, and the demo found the smile")


def _check_absent(environment: Environment) -> None:
    code = (
        f"import importlib.util as u, sys; sys.exit(' '.join(n for n in {LAB_ONLY!r} if u.find_spec(n)) or 0)"
    )
    if environment.run("python", "-c", code, timeout_s=STOP_TIMEOUT_S, check=False):
        sys.exit(f"expected none of {', '.join(LAB_ONLY)} in the serving environment, got those listed above")


def _check_serving(environment: Environment) -> None:
    """Starts a server, waits until `gifcue status` gets an answer, and stops the server with SIGTERM."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{free.getsockname()[1]}"
    server = environment.start(
        *("gifcue", "serve", "--listen", "127.0.0.1:0", "--http", ""),
        *("--operator", target, "--operator-http", ""),
    )
    try:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while environment.run("gifcue", "status", "--server", target, timeout_s=STOP_TIMEOUT_S, check=False):
            if server.poll() is not None or time.monotonic() > deadline_s:
                sys.exit(f"expected an answer of the server within {START_TIMEOUT_S:g} s, got none")
            time.sleep(POLL_S)
        server.send_signal(signal.SIGTERM)
        code = server.wait(STOP_TIMEOUT_S)
        if code != 0:
            sys.exit(f"expected the server to stop with exit code 0, got {code}")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
