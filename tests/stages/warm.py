"""`erclap` and `dvc` for tests that run them many times: in forks of one process that has torch and DVC loaded.

A stage's own work takes a second, importing what it needs up to five. A fork imports the project's own code, that
of the checkout in which it runs, as any process does. Figures are drawn once of each kind. One test of DVC is by
the installed commands.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Save = Callable[[Figure, Path], None]

PROGRAMS = ("dvc", "erclap")

LOADED = """
    click h5py httpx2 jinja2 lazy_loader matplotlib.backends.backend_agg matplotlib.figure openai ot pandas
    pyarrow.compute pyarrow.csv pyarrow.feather pyarrow.pandas_compat pyarrow.parquet pydantic
    safetensors.torch scipy.ndimage scipy.signal scipy.spatial scipy.stats soundfile soxr threadpoolctl tokenizers
    torch torch.utils._device tqdm transformers.models.roberta.configuration_roberta
    transformers.models.wavlm.configuration_wavlm yaml
    configobj dulwich.index dulwich.worktree dvc._debug dvc.cachemgr dvc.cli.parser dvc.commands.repro dvc.daemon
    dvc.data_cloud dvc.dependency.param dvc.dvcfile dvc.render dvc.repo.checkout dvc.repo.commit dvc.repo.index
    dvc.repo.reproduce dvc.rwlock dvc.stage.cache dvc.stage.run dvc.stage.serialize dvc_data.index.checkout
    dvc_render fsspec.implementations.local networkx rich.console ruamel.yaml scmrepo.git
"""

COMMAND = """#!{python} -IS
import json, os, socket, sys
folder = os.getcwd()
os.chdir({folder!r})  # a socket's address is short
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect("socket")
    socket.send_fds(asked, [b"."], [0, 1, 2])
    words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
    asked.sendall(json.dumps([words, folder, dict(os.environ)]).encode())
    asked.shutdown(socket.SHUT_WR)
    said = asked.makefile()
    _, status = said.readline(), said.readline()
status = int(status or -1)
sys.exit(status if status >= 0 else "the fork was killed")
"""
"""What it is told: a line of the fork's number, and in the end one of its status, that of a signal negative."""


class Running:
    """`erclap`, or `python -c`, in a fork, begun and to be killed as a subprocess.Popen is."""

    def __init__(self, folder: Path, *arguments: str, env: dict[str, str], program: str = "erclap") -> None:
        """`program` is erclap or -c, whose first argument is the code."""
        self.returncode: int | None = None
        self._out, self._err = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115
        self._asked = socket.socket(socket.AF_UNIX)
        with contextlib.chdir(Path(os.environ["WARM_COMMANDS"]).parent):  # a socket's address is short
            self._asked.connect("socket")
        with Path(os.devnull).open() as nothing:
            files = [file.fileno() for file in (nothing, self._out, self._err)]
            socket.send_fds(self._asked, [b"."], files)
        self._asked.sendall(json.dumps([[program, *arguments], str(folder), env]).encode())
        self._asked.shutdown(socket.SHUT_WR)
        # Without a buffer, or its status might come with its number, unseen.
        self._said = self._asked.makefile("rb", buffering=0)
        self._fork = int(self._said.readline())

    def send_signal(self, number: int) -> None:
        os.kill(self._fork, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def first_line(self, timeout: float = 60.0) -> str:
        """What it writes first. Raises TimeoutError where that takes longer, or nothing comes."""
        ends = time.monotonic() + timeout
        while time.monotonic() < ends and self.poll() is None:
            written = os.pread(
                self._out.fileno(), 10_000, 0
            ).decode()  # where the fork writes on stays as it is
            if "\n" in written:
                return written.splitlines()[0]
            time.sleep(0.01)
        raise TimeoutError(f"a line must be written within {timeout} s")

    def poll(self) -> int | None:
        """The status where it has ended; a signal's number is negative."""
        ended, _, _ = select.select([self._asked], [], [], 0)
        return self._end() if ended else None

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it has written once it has ended. Raises TimeoutError where that takes longer."""
        if not select.select([self._asked], [], [], timeout)[0]:
            raise TimeoutError(f"erclap must end within {timeout} s")
        self._end()
        said = []
        for file in (self._out, self._err):
            file.seek(0)
            said.append(file.read())
            file.close()
        return said[0], said[1]

    def _end(self) -> int:
        if self.returncode is None:
            status = self._said.readline()
            self._said.close()
            self._asked.close()
            self.returncode = int(status) if status else -signal.SIGKILL
        return self.returncode


def start_warm(folder: Path) -> None:
    """Write the commands to the folder's bin/, and start what answers them, which ends with the suite."""
    (folder / "bin").mkdir()
    for program in PROGRAMS:
        command = folder / "bin" / program
        command.write_text(COMMAND.format(python=sys.executable, folder=str(folder)))
        command.chmod(0o755)
    suite = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, str(suite)],
        cwd=folder,
        # As the command sets it; OpenMP reads it when torch is loaded.
        env=os.environ | {"OMP_WAIT_POLICY": "passive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,  # the process that starts it may end before others have done with it
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    process.returncode = 0  # or its end would be missed, and warned of, here


def serve(suite: int) -> None:
    """Answer until the process of that number has ended."""
    for name in LOADED.split():
        importlib.import_module(name)
    own = [
        name for name in sys.modules if name.partition(".")[0] in {"emotionrankclap", "pipeline", "stages"}
    ]
    assert own == [], "a checkout's own copy of the code is what must run"
    gc.freeze()  # or a fork would copy it all when it looks for garbage
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        server.listen()
        ended, ends = socket.socketpair()
        ends.setblocking(False)
        signal.set_wakeup_fd(ends.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        print("ready", flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody listens any more
        running: dict[int, socket.socket] = {}
        while _runs(suite):
            ready, _, _ = select.select([server, ended], [], [], 1.0)
            if ended in ready:
                ended.recv(1 << 12)
                tell_ended(running)
            if server in ready:
                asked, _ = server.accept()
                fork = os.fork()
                if fork == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for other in (server, ended, ends, *running.values()):
                        other.close()
                    os._exit(answer(asked))
                running[fork] = asked
        for fork in running:  # those of tests that have failed
            os.kill(fork, signal.SIGKILL)


def tell_ended(running: dict[int, socket.socket]) -> None:
    """Tell who asked for a fork that has ended its status."""
    while running:
        fork, status = os.waitpid(-1, os.WNOHANG)
        if not fork:
            return
        with running.pop(fork) as asked, contextlib.suppress(OSError):
            asked.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def answer(asked: socket.socket) -> int:
    """Run the command as the process that asks would; its status."""
    _, descriptors, _, _ = socket.recv_fds(asked, 1, 3)
    words, folder, environment = json.loads(asked.makefile("rb").read())
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    asked.sendall(f"{os.getpid()}\n".encode())
    here = Path.cwd()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = words
    sys.path[:0] = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    status = 1
    try:
        if words[0] == "dvc":
            from dvc.cli import main as dvc

            status = dvc()
        elif words[0] == "-c":
            sys.argv = ["-c", *words[2:]]
            exec(words[1], {"__name__": "__main__"})  # noqa: S102, the code of a test
            status = 0
        else:
            from stages.cli import main

            if words[1:2] == ["eval"]:
                from pipeline.report.results import plots

                plots._save = drawn_once(plots._save, here / "drawn")
            main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # as at an interpreter's end: a process lives as long as its threads
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def drawn_once(save: Save, drawn: Path) -> Save:
    """Has the first figure of each kind saved and kept in a folder, and written for all others.

    Drawing is half of an evaluation.
    """

    def save_once(figure: Figure, path: Path) -> None:
        kept = drawn / path.name.split("_")[0]
        if kept.exists():
            shutil.copyfile(kept, path)
            return
        save(figure, path)
        drawn.mkdir(exist_ok=True)
        whole = drawn / f"{kept.name}.{os.getpid()}"
        shutil.copyfile(path, whole)
        whole.replace(kept)

    return save_once


if __name__ == "__main__":
    serve(int(sys.argv[1]))
