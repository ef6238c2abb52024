"""A second process on the same files is told at its start; locks end with their process."""

import errno
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from waiting import wait_until

import pnncupy as pnn
from pnncupy import file_locks
from pnncupy.atomic_files import remove_unfinished
from pnncupy.cli.app import run
from pnncupy.file_locks import locked
from pnncupy.io import write_image

pytestmark = pytest.mark.process

fcntl = pytest.importorskip("fcntl")

HOLDER = (
    "import sys\n"
    "from pathlib import Path\n"
    "from pnncupy.file_locks import locked\n"
    "with locked(Path(sys.argv[1])):\n"
    "    print('locked', flush=True)\n"
    "    sys.stdin.read()\n"
)
QUICK = ["--iterations", "1", "--levels", "1", "--seed", "1", "--quiet"]


class Holder:
    """A process that has a lock until its input ends."""

    def __init__(self, file):
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(file)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline() == "locked\n"
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.communicate()


def check_in_use(file, pid):
    told = rf"{file} is in use by process {pid}; wait until"
    with pytest.raises(pnn.FilesInUse, match=told), locked(file):
        pytest.fail("it is not locked")


def test_a_lock_is_told_with_its_process_and_leaves_nothing(tmp_path):
    file = tmp_path / "a.png"
    with Holder(file) as holder:
        check_in_use(file, holder.pid)
        with locked(tmp_path / "b.png"):
            pass
    with locked(file):
        check_in_use(file, os.getpid())
    assert list(tmp_path.iterdir()) == []


def test_a_lock_ends_with_its_process(tmp_path):
    file = tmp_path / "a.png"
    with Holder(file) as holder:
        holder.process.kill()
        holder.process.wait()
        assert len(list(tmp_path.iterdir())) == 1  # nobody could remove it
        with locked(file):
            check_in_use(file, os.getpid())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"77777 elsewhere", b"\xff\0", b"x" * 9999])
def test_a_file_without_a_lock_blocks_nobody(content, tmp_path):
    (tmp_path / ".a.png.lock").write_bytes(content)
    with locked(tmp_path / "a.png"):
        check_in_use(tmp_path / "a.png", os.getpid())
    assert list(tmp_path.iterdir()) == []


def test_other_computers_are_named(tmp_path, monkeypatch):
    with locked(tmp_path / "a"):
        monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
        here = rf"in use by process {os.getpid()} on .+; wait"
        with pytest.raises(pnn.FilesInUse, match=here), locked(tmp_path / "a"):
            pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_file_systems_without_locks_are_worked_on(number, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)
    with locked(tmp_path / "a"), locked(tmp_path / "a"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_places_where_no_lock_can_be_are_worked_on(tmp_path):
    (tmp_path / ".a.lock").mkdir()
    (tmp_path / "precious").write_text("x")
    (tmp_path / ".b.lock").symlink_to("precious")
    with locked(tmp_path / "a"), locked(tmp_path / "b"), locked(tmp_path / ("c" * 255)):
        pass
    assert (tmp_path / "precious").read_text() == "x"


def test_a_lock_that_its_holder_removes_is_not_taken(tmp_path, monkeypatch):
    is_free, seen = file_locks._is_free, []

    def late(descriptor):
        if not seen:
            (tmp_path / ".a.lock").unlink()
        seen.append(descriptor)
        return is_free(descriptor)

    monkeypatch.setattr(file_locks, "_is_free", late)
    with locked(tmp_path / "a"):
        assert len(seen) == 2
        check_in_use(tmp_path / "a", os.getpid())


def test_a_folder_is_removed_only_if_it_was_created(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "new" / "er" / "a"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "new" / "a"):
        pass
    with pytest.raises(KeyError), locked(tmp_path / "new" / "a"):
        raise KeyError
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]


@pytest.fixture
def folder(tmp_path, photograph, monkeypatch):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "cat.png", photograph)
    mask = np.zeros(photograph.shape[:2], np.uint8)
    mask[10:15, 20:30] = 255
    write_image(tmp_path / "mask.png", mask)
    (tmp_path / "jobs.toml").write_text("[[job]]\nimage = 'in/cat.png'\niterations = 1\nlevels = 1")
    (tmp_path / "spec.toml").write_text("[[generate]]\nimage = 'in/cat.png'\niterations = 1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


CAT = "in/cat.png"
INPAINT = ["inpaint", CAT, "--mask", "mask.png"]
COMMANDS = [
    (["generate", CAT, "-o", "made.png"], "made.png"),
    (["generate", CAT, "-o", "out", "-n", "3"], "out/cat_generate_seed1_000.png"),
    (["generate", CAT, "-o", "out", "-n", "3"], "out/cat_generate_seed1_contact.png"),
    (["generate", CAT, "-o", "made.png", "--force"], "made.png"),
    (["generate", CAT, "-o", "made.png", "--save-index", "index.tif"], "index.tif"),
    (["generate", CAT, "-o", "made.png", "--checkpoint", "state.npz"], "state.npz"),
    ([*INPAINT, "-o", "out"], "out/cat_inpaint.png"),
    ([*INPAINT, "-o", "made.png", "--save-mask", "made_mask.png"], "made_mask.png"),
    (["batch", "in", "-o", "out", "--seed", "1", "--workers", "1"], "out/manifest.jsonl"),
    (["batch", "jobs.toml", "-o", "out", "--workers", "1"], "out/manifest.jsonl"),
    (["report", "spec.toml", "-o", "out"], "out/index.html"),
]


@pytest.mark.parametrize(("words", "file"), COMMANDS, ids=[" ".join(x) for x, _ in COMMANDS])
def test_every_command_tells_at_its_start(words, file, folder, capsys):
    if words[0] == "report":
        pytest.importorskip("jinja2")
    if words[0] not in ("batch", "report"):
        words = [*words, *(QUICK if words[0] == "generate" else [*QUICK[:4], "--quiet"])]
    shown = "out" if words[0] in ("batch", "report") else file
    (folder / file).parent.mkdir(exist_ok=True)
    with Holder(folder / file) as holder:
        before = sorted(folder.rglob("*"))
        assert run(words) == 1
        assert f"Error: {shown} is in use by process {holder.pid}; wait" in capsys.readouterr().err
        assert sorted(folder.rglob("*")) == before
    assert run(words) == 0
    assert not list(folder.rglob(".*"))


def test_two_batches_in_one_folder(folder):
    program = [sys.executable, "-m", "pnncupy", "batch", "in", "-o", "out", "--seed", "1", "-n"]
    first = subprocess.Popen([*program, "3000", "--workers", "1"], stderr=subprocess.DEVNULL)
    try:
        wait_until((folder / "out" / "manifest.jsonl").exists)
        second = subprocess.run([*program, "3"], capture_output=True, text=True)
        assert second.returncode == 1
        assert f"Error: out is in use by process {first.pid}; wait" in second.stderr
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert (folder / "out" / ".manifest.jsonl.lock").exists()
    third = subprocess.run([*program, "1"], capture_output=True, text=True)
    assert third.returncode == 0, third.stderr
    assert not (folder / "out" / ".manifest.jsonl.lock").exists()


def test_a_checkpoint_is_for_one_call_at_a_time(photograph, tmp_path):
    def again(event):
        with pytest.raises(pnn.FilesInUse, match=rf"state.npz is in use by process {os.getpid()}"):
            pnn.generate(photograph, checkpoint=tmp_path / "state.npz", rng=1, iterations=1)
        return False

    with pytest.raises(pnn.Cancelled):
        pnn.generate(
            photograph, checkpoint=tmp_path / "state.npz", rng=1, iterations=1, callback=again
        )
    assert [file for file in tmp_path.iterdir() if file.name != "state.npz"] == []


def test_a_process_that_ends_at_once_leaves_no_folders(tmp_path):
    with locked(tmp_path / "new" / "newer" / "made.png"):
        (tmp_path / "new" / "kept.txt").touch()
        remove_unfinished()
        assert [file.name for file in tmp_path.rglob("*")] == ["new", "kept.txt"]
        (tmp_path / "new" / "kept.txt").unlink()
        remove_unfinished()
        assert not list(tmp_path.iterdir())
