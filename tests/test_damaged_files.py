"""Checkpoints, manifests and lists of work that were edited, cut or never theirs."""

import io
import json
import os
import pickle
import random
import re
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import pnncupy as pnn
from pnncupy import batch
from pnncupy.batch.job import Input, read_input
from pnncupy.batch.job_files import jobs_of_toml
from pnncupy.batch.manifest import NAME, Manifest
from pnncupy.cli.app import run
from pnncupy.io import write_image
from pnncupy.io.writing import encode_image
from pnncupy.report.spec import read_spec
from pnncupy.synthesis import checkpoint

CALL = {"iterations": 2, "levels": 1, "patch_size": 5, "rng": 1}
NO_CHECKPOINT = r"`checkpoint` .* is no checkpoint of pnncupy, or is damaged"
DOES_NOT_FIT = r"`checkpoint` .* does not fit: it belongs to another call"


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(3).integers(0, 256, (18, 21, 3), np.uint8)


@pytest.fixture(scope="module")
def state(image, tmp_path_factory):
    """Bytes of a checkpoint in the middle of a call."""
    file = tmp_path_factory.mktemp("state") / "state.npz"
    ends = []

    def cancel(event):
        ends.append(event.finished)
        return sum(ends) < 3

    with pytest.raises(pnn.Cancelled):
        pnn.generate(image, checkpoint=file, callback=cancel, **CALL)
    return file.read_bytes()


@pytest.fixture(scope="module")
def expected(image):
    return pnn.generate(image, **CALL)


def signed(fields):
    """A forged checkpoint: its digest holds, whatever is in it."""
    stream = io.BytesIO()
    written = checkpoint._Digesting(stream)
    np.savez(written, **fields)
    return stream.getvalue() + checkpoint._MARK + written.digest.digest()


def fields_of(state):
    with np.load(io.BytesIO(state)) as saved:
        return dict(saved)


def other_values(name, value):
    """Values that a field of a checkpoint must not have."""
    yield from (np.array("x"), np.zeros((0,)), np.array(np.nan))
    if value.ndim == 0:
        yield value[None].repeat(3)
        if value.dtype.kind == "i":
            yield from map(np.array, (-1, value + 1, 99, 2**62, float(value), True))
    else:
        changed = value.copy()
        changed.flat[0] = value.max() + 1 if name == "picture" else -1
        yield from (changed, value[:1], value[..., ::2], value.astype("f8"), value.T)
        if name == "index":
            yield np.full_like(value, 10**6)


def edited(state):
    """The checkpoint with each field edited, and what must be told of it."""
    fields = fields_of(state)
    assert set(fields) == {"identity", "level", "steps", "picture", "index"}
    for name, value in fields.items():
        yield (
            signed({other: each for other, each in fields.items() if other != name}),
            NO_CHECKPOINT,
        )
        for other in other_values(name, value):
            changed = fields | {name: other}
            stream = io.BytesIO()
            np.savez(stream, **changed)
            yield stream.getvalue(), NO_CHECKPOINT  # as any editor writes it
            yield stream.getvalue() + state[-checkpoint._END :], NO_CHECKPOINT
            # Forged: its digest holds, but not its form.
            if (other.shape, other.dtype) != (value.shape, value.dtype) or name == "index":
                told = f"{NO_CHECKPOINT}|{DOES_NOT_FIT}" if name == "identity" else NO_CHECKPOINT
                yield signed(changed), told
    for changes in ({"level": -1}, {"level": 1}, {"level": 99}, {"steps": 0}, {"steps": 99}):
        yield signed(fields | changes), NO_CHECKPOINT
    yield signed(fields | {"identity": "0" * 64}), DOES_NOT_FIT


def damaged(state):
    """The checkpoint with bits flipped, cut, lengthened, and files of other kinds."""
    chance = random.Random(1)
    for place in (*range(0, len(state), 37), *range(len(state) - 60, len(state))):
        data = bytearray(state)
        data[place] ^= 1 << chance.randrange(8)
        yield bytes(data)
    for size in (*range(0, len(state), 61), *range(len(state) - 60, len(state))):
        yield state[:size]
    old = io.BytesIO()
    np.savez(old, **fields_of(state))
    yield from (old.getvalue(), state + b"\n", state * 2, state[1:], state[: -checkpoint._END])
    yield from (b"PK\x05\x06" + bytes(18), b"\x93NUMPY", b"not one", bytes(5000))
    end = state[-checkpoint._END :]
    yield from (end, b"x" + end, end[:-1])


@pytest.mark.slow
def test_every_mutant_of_a_checkpoint_is_refused(image, state, expected, tmp_path):
    file = tmp_path / "state.npz"
    mutants = [(data, NO_CHECKPOINT) for data in damaged(state)] + list(edited(state))
    assert len(mutants) > 300
    for data, told in mutants:
        file.write_bytes(data)
        with pytest.raises(pnn.CheckpointError, match=told):
            pnn.generate(image, checkpoint=file, **CALL)
    file.write_bytes(signed(fields_of(state)))
    np.testing.assert_array_equal(pnn.generate(image, checkpoint=file, **CALL), expected)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_can_still_be_looked_into(state, tmp_path):
    (tmp_path / "state.npz").write_bytes(state)
    with np.load(tmp_path / "state.npz") as saved:
        assert int(saved["steps"]) >= 1


def foreign(image):
    """Files of others, and what is left of a file."""
    archive, arrays = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("a.txt", "a")
    np.savez(arrays, identity="a", image=image)
    return [
        b"", b"\0", b"\n", encode_image(".png", image), encode_image(".tif", image),
        archive.getvalue(), arrays.getvalue(), b"some text\n", pickle.dumps({"a": 1}),
        checkpoint._MARK, bytes(checkpoint._END),
    ]  # fmt: skip


def test_the_command_line_refuses_checkpoints_with_1(image, state, tmp_path, capsys):
    write_image(tmp_path / "a.png", image)
    file = tmp_path / "state.npz"
    words = ["generate", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "--quiet"]
    words += ["--checkpoint", str(file), "--seed", "1", "--iterations", "2"]
    others = [*foreign(image), state[:-1], state[: len(state) // 2]]
    told = "is no checkpoint of pnncupy, or is damaged .*; delete it, or choose another file"
    for data, message in [(state, "does not fit"), *((data, told) for data in others)]:
        file.write_bytes(data)
        assert run(words) == 1
        error = capsys.readouterr().err
        assert re.fullmatch(f"Error: --checkpoint {file} {message}.*\n", error)
        assert file.read_bytes() == data
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "state.npz"]


def test_a_checkpoint_behind_a_link(image, state, expected, tmp_path):
    link, file = tmp_path / "link.npz", tmp_path / "state.npz"
    link.symlink_to("state.npz")
    file.write_bytes(b"")
    array = np.zeros(3, np.float32)
    checkpoint.Checkpoint(link).save("a", checkpoint.State(0, 1, array, array))
    assert link.is_symlink()
    with np.load(file) as saved:
        assert str(saved["identity"]) == "a"
    file.write_bytes(state)
    np.testing.assert_array_equal(pnn.generate(image, checkpoint=link, **CALL), expected)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling", "loop", "device"])
def test_what_is_no_file_is_no_checkpoint(kind, image, tmp_path):
    file = tmp_path / "state.npz"
    make_no_file(kind, file)
    with pytest.raises(pnn.CheckpointError, match=NO_CHECKPOINT):
        pnn.generate(image, checkpoint=file, **CALL)
    assert os.path.lexists(file)


def make_no_file(kind, file):
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to({"dangling": "nowhere", "loop": file.name, "device": "/dev/zero"}[kind])


def test_a_name_that_no_file_can_have(image):
    with pytest.raises(ValueError, match=r"`checkpoint` must be in a folder that exists"):
        pnn.generate(image, checkpoint="a\0b", **CALL)


# Manifests


@pytest.fixture(scope="module")
def made(image, tmp_path_factory):
    """Images with their manifest, and lists of jobs: of these images, and of others."""
    folder = tmp_path_factory.mktemp("made")

    def listed(**options):
        return batch.make_jobs(
            "generate", 3, image=image, output="a", seed=5, iterations=1, levels=1, **options
        )

    jobs, arrays = listed()
    with ThreadPoolExecutor(1) as executor:
        assert batch.run(jobs, folder, arrays=arrays, executor=executor).made == 3
    return folder, jobs, listed(noise_std=2.0)[0]


def mutants_of_lines(lines, wanted):
    """Manifests with each field of a line set to that of another job, and other damage."""
    for number, line in enumerate(lines):
        record = json.loads(line)
        for name, value in record.items():
            others = [wanted[number].record().get(name, value), None, 1, [], {}, "x", -1, 1e400]
            for other in others:
                if json.dumps(other) != json.dumps(value):
                    yield [
                        *lines[:number],
                        json.dumps(record | {name: other}),
                        *lines[number + 1 :],
                    ]
            yield [json.dumps({each: record[each] for each in record if each != name})]
        merged = record | wanted[number].record()
        yield [json.dumps(merged)]
        yield [json.dumps({name: merged[name] for name in merged if name != "checksum"})]
        for size in range(0, len(line), 29):
            yield [*lines[:number], line[:size]]
    yield ["[" * 100_000]
    yield ['{"a":' * 100_000]
    yield ['{"output": ' + "9" * 10_000 + "}"]
    yield [
        "\0\1\2",
        "",
        "null",
        "[]",
        "7",
        '"x"',
        "{}",
        '{"checksum": 1}',
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ]


def test_no_mutant_of_a_manifest_keeps_a_wrong_picture(made, tmp_path):
    folder, jobs, wanted = made
    shutil.copytree(folder, tmp_path / "out")
    file = tmp_path / "out" / NAME
    text = file.read_text()
    lines = text.splitlines()
    assert Manifest(tmp_path / "out").kept(jobs, tmp_path / "out") == {0, 1, 2}
    chance = random.Random(2)
    mutants = ["\n".join(each).encode() for each in mutants_of_lines(lines, wanted)]
    for _ in range(200):
        data = bytearray(text.encode())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        mutants.append(bytes(data))
    assert len(mutants) > 400
    for data in mutants:
        file.write_bytes(data)
        manifest = Manifest(tmp_path / "out")
        assert manifest.kept(wanted, tmp_path / "out") == set(), data
        assert manifest.kept(jobs, tmp_path / "out") < {0, 1, 2} or data == text.encode()
        assert manifest.damage == "" or re.match(rf"{file}, line \d", manifest.damage)
        assert manifest.seed() >= 0


def test_a_damaged_manifest_is_told_and_mended(made, image, tmp_path, capsys):
    folder, jobs, _ = made
    shutil.copytree(folder, tmp_path / "out")
    file = tmp_path / "out" / NAME
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], lines[1].replace('"sample": 1', '"sample": 2'), lines[2]]))
    _, arrays = batch.make_jobs("generate", image=image, output="a")
    with ThreadPoolExecutor(1) as executor:
        report = batch.run(jobs, tmp_path / "out", arrays=arrays, executor=executor)
        assert (report.made, report.kept) == (1, 2)
        assert report.notes == [
            f"{file}, line 2: not as this version of pnncupy wrote it; such images are synthesised "
            "again"
        ]
        assert batch.run(jobs, tmp_path / "out", arrays=arrays, executor=executor).kept == 3


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling", "loop", "device"])
def test_what_is_no_file_is_no_manifest(kind, made, tmp_path):
    make_no_file(kind, tmp_path / NAME)
    with pytest.raises(OSError, match=f"{NAME} is not a regular file; remove it"):
        batch.run(made[1], tmp_path)


def test_arrays_for_workers_are_what_they_were(image, tmp_path):
    _, arrays = batch.make_jobs("generate", image=image, output="a")
    ((digest, array),) = arrays.items()
    file = tmp_path / "a.npy"
    np.save(file, array)
    data = file.read_bytes()
    np.testing.assert_array_equal(read_input(Input(str(file), digest, "array")), image)
    for place in range(0, len(data), 7):
        read_input.cache_clear()
        changed = bytearray(data)
        changed[place] ^= 1
        for mutant in (bytes(changed), data[:place]):
            file.write_bytes(mutant)
            try:
                found = read_input(Input(str(file), digest, "array"))
            except pnn.ImageReadError:
                continue
            assert found.tobytes() == image.tobytes()  # what changed was the padding of the header
            assert (found.shape, found.dtype) == (image.shape, image.dtype)
    read_input.cache_clear()


# Lists of jobs and specs of reports

JOB = '[defaults]\niterations = 1\n[[job]]\nimage = "a.png"\nn = 3\nseed = 2\nalpha = 0.1\n'
SPEC = 'title = "x"\n[[generate]]\nimage = "a.png"\nseed = 2\ncaption = "b"\n[study]\npairs = 1\n'
WRONG = [
    ("x = 1979-05-27", "line 3: `x` must not be a date or time, got 1979-05-27; write text in"),
    ("alpha = 07:32:00", "line 3: `alpha` must not be a date or time"),
    ("shape = [1, [1979-05-27T07:32:00Z]]", "line 3: `shape` must not be a date or time"),
    ("title.a = 1979-05-27", "line 3: `title` must not be a date or time"),
    (f"seed = {'9' * 5000}", "line 3: a number has too many digits"),
    (f"seed = 0x{'f' * 5000}", "line 3: `seed` must be a number of at most 128 bits"),
    (f"n = {2**128}", "line 3: `n` must be a number of at most 128 bits"),
    ("seed = -1", "line 3: `seed` must be an integer of at least 0, got -1"),
    (f"shape = {'[' * 5000}{']' * 5000}", "line 3: brackets are nested too deeply"),
    (f"shape = {'{a=' * 5000}1{'}' * 5000}", "line 3: brackets are nested too deeply"),
    (f"shape = {'[' * 30}{']' * 30}", "line 3: `shape` must not be nested more than 8 deep"),
    (f"shape.{'a.' * 3000}b = 1", "line 3: `shape` must not be nested more than 8 deep"),
    ('"b\\u0000\\n" = 1', r"line 2: generate has no argument `b\\x00\\n`"),
    ('image = "a\\u0000.png"', r"line 3: `image`: there is no file .*a\\x00.png"),
    (f'image = "{"x" * 100_000}"', "line 3: `image`: there is no file|File name too long"),
    ('image = "pipe"', "line 3: `image`: there is no file .*pipe"),
    ('image = "in"', "line 3: `image`: there is no file"),
    ('image = "loop"', "line 3: `image`: there is no file"),
    ('image = "dangling"', "line 3: `image`: there is no file"),
    ("image = 7", "line 3: `image` must be a string"),
    ("image = {}", "line 3: `image` must be a string"),
]


@pytest.fixture
def folder(image, tmp_path):
    """A folder with an image, and with what is none."""
    write_image(tmp_path / "a.png", image)
    (tmp_path / "in").mkdir()
    for kind in ("pipe", "dangling", "loop"):
        make_no_file(kind, tmp_path / kind)
    return tmp_path


def check_refused(file, message, capsys):
    """Both commands and both functions tell the same, in one line."""
    verb, read = ("batch", jobs_of_toml) if file.name == "jobs.toml" else ("report", read_spec)
    with pytest.raises(ValueError, match=message) as caught:
        read(file)
    told = str(caught.value)
    assert told.startswith(str(file))
    assert len(told.splitlines()) == 1
    assert len(told) < 1500
    assert run([verb, str(file), "-o", str(file.parent / "out")]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (file.parent / "out").exists()


@pytest.mark.parametrize(("line", "message"), WRONG, ids=[line[:20] for line, _ in WRONG])
@pytest.mark.parametrize("head", ["job", "generate"])
def test_values_that_no_list_may_have(head, line, message, folder, capsys):
    image = "" if line.startswith("image") else '\nimage = "a.png"'
    file = folder / ("jobs.toml" if head == "job" else "spec.toml")
    file.write_text(f"# a list\n[[{head}]]\n{line}{image}\n")
    check_refused(file, message, capsys)


@pytest.mark.parametrize("name", ["jobs.toml", "spec.toml"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_lists_that_are_no_files_are_not_waited_for(kind, name, tmp_path, capsys):
    make_no_file(kind, tmp_path / name)
    check_refused(tmp_path / name, "not a regular file; save the list to one first", capsys)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a = 1\nb = '\xff'", "line 2: not in UTF-8"),
        (b"\0", "Invalid statement|Illegal character"),
        (b"defaults = 3\n[[job]]", "line 1: write .defaults."),
        (b"\njob = [1, 2]", r"line 2: write \[\[job\]\]"),
        (b"[job]\na = 1", r"line 1: write \[\[job\]\]"),
        (b'"\\u0000\\n" = 3', r"line 1: unknown `\\x00\\n`"),
        (b'[[job]]\nimage = "a.png"\noutput = "a\\u0007"', "line 3: `output` must not contain con"),
        (b'[[job]]\nimage = "a.png"\noutput = "' + b"x" * 500 + b'"', "line 3: `output` must have"),
        (b'[[job]]\nimage = "a.png"\noutput = "/"', "line 3: `output` must be a name in the batch"),
        (b'[[job]]\nimage = "a.png"\nn = 9999999999999', "line 3: `n` must be at most 10000000000"),
    ],
)
def test_lists_of_other_forms(data, message, folder, capsys):
    (folder / "jobs.toml").write_bytes(data)
    check_refused(folder / "jobs.toml", message, capsys)


@pytest.mark.parametrize(("text", "read"), [(JOB, jobs_of_toml), (SPEC, read_spec)])
@pytest.mark.slow
def test_mutants_of_lists_are_read_or_refused(text, read, folder):
    file = folder / "list.toml"
    file.write_text(text)
    read(file)
    chance = random.Random(4)
    data = text.encode()
    parts = (b"", b"[", b"=", b"-", b'"', b"9" * 5000, b"\r", b"\xff", b"0x", b"1979-05-27", b"{")
    mutants = [data[:size] for size in range(len(data))]
    for _ in range(300):
        place = chance.randrange(len(data))
        flipped = bytes([data[place] ^ 1 << chance.randrange(8)])
        middle = chance.choice([flipped, *parts])
        mutants.append(data[:place] + middle + data[place + 1 :])
    told = []
    for mutant in mutants:
        file.write_bytes(mutant)
        try:
            read(file)
        except ValueError as error:
            told.append(f"{error}")
    assert len(told) > 200
    assert [message for message in told if not message.startswith(f"{file}")] == []


def test_a_long_list_is_read_in_a_moment(folder):
    count = 3000
    entry = '[[job]]\nimage = "a.png"\nverb = "retarget"\nscale = [1, 0.5]\noutput = "%d.png"\n'
    (folder / "jobs.toml").write_text("".join(entry % number for number in range(count)))
    jobs = jobs_of_toml(folder / "jobs.toml")
    assert len(jobs) == count
    assert jobs.place_of("2999.png") == 2999


# Lists that are longer than any memory

MANY = 10**9


def check_many(jobs):
    assert len(jobs) == MANY
    last = jobs[-1]
    assert (last.sample, last.output[-14:]) == (MANY - 1, "_999999999.png")
    assert jobs.place_of(last.output) == MANY - 1
    assert jobs.place_of(last.output.replace("_9", "_09")) is None
    assert [job.sample for job in jobs[5:7]] == [5, 6]


def test_a_billion_jobs_cost_nothing(image, folder, capsys):
    (folder / "pipe").unlink()
    jobs, arrays = batch.make_jobs(
        "generate", MANY, image=image, output="a", iterations=1, levels=1
    )
    check_many(jobs)
    (folder / "jobs.toml").write_text(f'[[job]]\nimage = "a.png"\nn = {MANY}\n')
    check_many(jobs_of_toml(folder / "jobs.toml"))
    check_many(batch.jobs_of_folder(folder, MANY, 1, {}))
    seen = []

    def stop(progress):
        seen.append((progress.done, progress.total))
        if len(seen) == 3:
            raise KeyError("enough")

    out = folder / "out"
    for kept in (0, 3):
        seen.clear()
        with ThreadPoolExecutor(1) as executor, pytest.raises(KeyError, match="enough"):
            batch.run(jobs, out, arrays=arrays, executor=executor, callback=stop)
        assert seen == [(done, MANY - kept) for done in (1, 2, 3)]
    assert batch.count_kept(jobs, out) == 6
    assert run(["batch", str(folder), "-n", str(MANY), "-o", str(out), "--dry-run"]) == 0
    assert f"{MANY} images to make in {out}, 0 are there" in capsys.readouterr().out
    assert run(["batch", str(folder / "jobs.toml"), "-o", str(folder / "no"), "--dry-run"]) == 0
    assert not (folder / "no").exists()
    assert run(["batch", str(folder), "-n", "9" * 15, "-o", str(out), "--dry-run"]) == 2
    assert "-n must be at most 1000000000000" in capsys.readouterr().err


def test_lists_are_sequences_of_jobs(image):
    def listed(n, output, **options):
        return batch.make_jobs("generate", n, image=image, output=output, **options)[0]

    jobs = listed(3, "a") + listed(1, "b") + [*listed(2, "c")]
    assert [job.output for job in jobs] == [
        "a_000.png", "a_001.png", "a_002.png", "b.png", "c_000.png", "c_001.png"
    ]  # fmt: skip
    assert [jobs[place] for place in range(-6, 0)] == list(jobs) == jobs[:]
    assert [jobs.place_of(job.output) for job in jobs] == list(range(6))
    with pytest.raises(IndexError):
        jobs[6]
    assert jobs.clash() is None
    for more, output in ((listed(2, "a"), "a_000"), (listed(1, "c_001"), "c_001"), (jobs, "a_000")):
        for both in (jobs + more, more + jobs):
            assert both.clash()[0] == f"{output}.png"
            assert both.clash()[1] < both.clash()[2]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": -1}, "`seed` must be an integer of at least 0, got -1"),
        ({"seed": 1.5}, "`seed` must be an integer"),
        ({"n": 10**13}, "`n` must be at most"),
        ({"output": "../a"}, "`output` must be a name in the batch's folder"),
        ({"output": "a\0"}, "`output` must not contain control characters"),
        ({"suffix": "/../../a"}, "`suffix` must be a name in"),
        ({"suffix": 3}, "`suffix` must be a string"),
        ({"keys": 10**5000}, "the arguments of a job must be numbers, words or lists"),
    ],
)
def test_wrong_jobs(given, message, image):
    with pytest.raises((ValueError, TypeError), match=message):
        batch.make_jobs("generate", **({"image": image, "output": "a"} | given))


@pytest.mark.parametrize("kind", ["pipe", "dangling", "loop", "folder"])
def test_a_folder_with_what_is_no_picture(kind, image, tmp_path):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.png", image)
    make_no_file(kind, tmp_path / "in" / "b.png")
    jobs = batch.jobs_of_folder(tmp_path / "in", 1, 0, {"iterations": 1, "levels": 1})
    with ThreadPoolExecutor(1) as executor:
        report = batch.run(jobs, tmp_path / "out", executor=executor)
    assert report.made == 1
    ((job, told),) = report.failures
    assert job.output == "b_generate_seed0_000.png"
    assert str(tmp_path / "in" / "b.png") in told
