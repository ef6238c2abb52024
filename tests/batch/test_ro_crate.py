"""RO-Crates of batches: images, their sources and calls, read back and checked by its validator."""

import json
import re
import shutil
import socket
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from pnncupy import __version__, batch, citation
from pnncupy.batch import manifest
from pnncupy.batch.earlier_crate import NAME, EarlierCrate
from pnncupy.batch.job import file_digest
from pnncupy.batch.ro_crate import write_crate
from pnncupy.cli import app
from pnncupy.io import read_provenance, write_image
from pnncupy.io.formats.xmp import ALGORITHMIC_MEDIA, COMPOSITE_SYNTHETIC

rocrate = pytest.importorskip("rocrate.rocrate")

FAST = {"iterations": 1, "levels": 0, "engine": "numpy"}
WORDS = ["--iterations", "1", "--levels", "0", "--engine", "numpy", "--quiet"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whatever asks for an address fails."""

    def refuse(*arguments, **options):
        raise AssertionError(f"asked the network for {arguments}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def executor():
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def folder(tmp_path, random, monkeypatch):
    """A folder that commands run in, with a folder of an image."""
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a b#é.png", random.integers(0, 255, (12, 14), np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def made(folder, executor):
    """Function that makes two images of each in the folder, with a crate."""

    def make(count=2, **options):
        jobs = batch.jobs_of_folder("in", count, 7, {**FAST, "alpha": float("inf")})
        return batch.run(jobs, "out", executor=executor, ro_crate=True, **options)

    return make


def crate_of(folder):
    """The entities of a crate by identifier, as rocrate reads them."""
    found = rocrate.ROCrate(str(folder))
    return {each.id: each for each in found.get_entities()}


def graph_of(folder):
    return {each["@id"]: each for each in json.loads((folder / NAME).read_text("utf-8"))["@graph"]}


def kinds(graph, kind):
    return {name: each for name, each in graph.items() if kind in each["@type"]}


def as_list(value):
    return value if isinstance(value, list) else [value]


def parameters_of(graph, action):
    """Name and value of each parameter of an action."""
    found = [graph[each["@id"]] for each in as_list(action["object"])]
    return {each["name"]: each["value"] for each in found if each["@type"] == "PropertyValue"}


# ----------------------------------------------------------------------------------- what is in it


def test_images_and_calls(folder, made):
    report = made()
    assert (report.made, report.notes) == (2, [])
    out = folder / "out"
    graph = graph_of(out)
    source = f"#sha256-{file_digest(folder / 'in' / 'a b#é.png')}"
    results = kinds(graph, "File")
    assert results.pop("manifest.jsonl")["name"] == "Manifest"
    assert [unquote(name) for name in results] == [
        f"a b#é_generate_seed7_00{number}.png" for number in range(2)
    ]
    for number, (name, result) in enumerate(results.items()):
        file = out / unquote(name)
        assert result["sha256"] == file_digest(file)
        assert result["contentSize"] == str(file.stat().st_size)
        assert result["encodingFormat"] == "image/png"
        assert result["digitalSourceType"] == {"@id": ALGORITHMIC_MEDIA}
        assert result["isBasedOn"] == {"@id": source}
        assert result["description"] == read_provenance(file).text
        action = graph[f"#create-{name}"]
        assert (action["@type"], action["name"]) == ("CreateAction", "pnncupy generate")
        assert action["result"] == {"@id": name}
        assert action["startTime"] <= action["endTime"]
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", action["endTime"])
        assert {"@id": source} in action["object"]
        assert parameters_of(graph, action) == {
            **FAST, "image": "a b#é.png", "alpha": "inf", "seed": 7, "sample": number,
        }  # fmt: skip
        tool = graph[action["instrument"]["@id"]]
        assert (tool["name"], tool["softwareVersion"]) == ("pnncupy", __version__)
        libraries = [graph[each["@id"]] for each in tool["softwareRequirements"]]
        versions = {each["name"]: each["softwareVersion"] for each in libraries}
        assert versions["numpy"] == np.__version__
        assert graph[tool["citation"]["@id"]]["description"] == citation.GPNN.text()
    assert graph[source]["name"] == "a b#é.png"
    assert graph[source]["sha256"] == source.removeprefix("#sha256-")
    assert graph[ALGORITHMIC_MEDIA]["@type"] == "DefinedTerm"


def test_the_root_and_what_it_refers_to(folder, made):
    made()
    graph = graph_of(folder / "out")
    root = graph["./"]
    assert {each["@id"] for each in root["hasPart"]} == set(kinds(graph, "File"))
    assert {each["@id"] for each in root["mentions"]} == set(kinds(graph, "CreateAction"))
    assert root["conformsTo"] == {"@id": "https://w3id.org/ro/wfrun/process/0.5"}
    assert root["license"].startswith("Unknown: ")
    described = graph[NAME]
    assert described["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    # Every reference leads to an entity.
    inside = re.findall(r'\{\s*"@id": "([^"]*)"\s*\}', (folder / "out" / NAME).read_text("utf-8"))
    assert {each for each in inside if each != "https://w3id.org/ro/crate/1.1"} <= set(graph)
    # No path of this machine, and nobody who was not named.
    assert str(folder) not in (folder / "out" / NAME).read_text("utf-8")
    assert not {"author", "publisher", "agent"} & {name for each in graph.values() for name in each}


def test_the_reader_of_rocrate_finds_the_files(folder, made):
    made()
    found = crate_of(folder / "out")
    files = [each for each in found.values() if each.type == "File"]
    assert len(files) == 3
    for each in files:
        assert Path(each.source).is_file()
    action = next(each for each in found.values() if each.type == "CreateAction")
    assert action["result"] in files
    assert action["instrument"]["name"] == "pnncupy"


def test_masks_and_several_sources(folder, executor, random):
    image = random.integers(0, 255, (14, 13), np.uint8)
    mask = np.zeros(image.shape, bool)
    mask[4:7, 5:9] = True
    for name, each in {"a": image, "b": image[::-1], "mask": mask}.items():
        write_image(f"in/{name}.png", each)
    Path("jobs.toml").write_text(
        '[defaults]\niterations = 1\nlevels = 0\nengine = "numpy"\n'
        '[[job]]\nverb = "inpaint"\nimage = "in/a.png"\n'
        'mask = "in/mask.png"\noutput = "sub/x.tif"\n'
        '[[job]]\nverb = "collage"\nalpha = inf\nimages = ["in/a.png", "in/b.png"]\n'
        'output = "y.png"\n'
    )
    assert (
        batch.run(batch.jobs_of_toml("jobs.toml"), "out", executor=executor, ro_crate=True).made
        == 2
    )
    graph = graph_of(folder / "out")
    filled = graph["sub/x.tif"]
    assert filled["digitalSourceType"] == {"@id": COMPOSITE_SYNTHETIC}
    assert [graph[each["@id"]]["name"] for each in filled["isBasedOn"]] == ["a.png", "mask.png"]
    action = graph["#create-sub/x.tif"]
    # A call that draws no random numbers has no seed.
    assert parameters_of(graph, action) == {**FAST, "image": "a.png", "mask": "mask.png"}
    merged = graph["#create-y.png"]
    assert json.loads(parameters_of(graph, merged)["images"]) == ["a.png", "b.png"]
    assert graph["y.png"]["digitalSourceType"] == {"@id": ALGORITHMIC_MEDIA}
    assert graph["y.png"]["isBasedOn"][0] == filled["isBasedOn"][0]


def test_sources_in_the_folder_are_files_of_it(folder, executor):
    jobs = batch.jobs_of_folder("in", 1, 7, FAST, output="in")
    batch.run(jobs, "in", executor=executor, ro_crate=True)
    assert (folder / "in" / NAME).is_file()
    again = batch.jobs_of_folder("in", 1, 7, FAST, output="in")
    # The crate is passed over like the manifest: without a note.
    assert (len(again), again.notes) == (1, ())
    graph = graph_of(folder / "in")
    name = "a%20b%23%C3%A9.png"
    assert graph["a%20b%23%C3%A9_generate_seed7_000.png"]["isBasedOn"] == {"@id": name}
    assert (graph[name]["@type"], graph[name]["name"]) == ("File", "a b#é.png")
    assert {"@id": name} in graph["./"]["hasPart"]
    assert not kinds(graph, "ImageObject")
    # One that has changed is no longer what an image was made from.
    (folder / "in" / "a b#é.png").write_bytes(b"")
    write_crate(folder / "in", manifest.Manifest(folder / "in").records())
    graph = graph_of(folder / "in")
    assert [each["name"] for each in kinds(graph, "ImageObject").values()] == ["a b#é.png"]


def test_arrays(tmp_path, random, executor):
    image = random.integers(0, 255, (12, 14), np.uint8)
    jobs, arrays = batch.make_jobs("generate", 2, image=image, output="a", seed=3, **FAST)
    batch.run(jobs, tmp_path, arrays=arrays, executor=executor, ro_crate=True)
    (source,) = kinds(graph_of(tmp_path), "ImageObject").values()
    (digest,) = arrays
    assert (source["name"], source["sha256"]) == ("an array", digest)


# ---------------------------------------------------------------------- resumed, and with failures


@pytest.mark.usefixtures("jobs_in_a_thread")
def test_a_command_with_failures_that_is_repeated(folder, capsys):
    (folder / "in" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    command = [
        "batch",
        "in",
        "-o",
        "out",
        "-n",
        "2",
        "--seed",
        "1",
        "--workers",
        "1",
        *WORDS,
        "--ro-crate",
    ]
    assert app.run(command) == 1
    said = capsys.readouterr()
    assert f"wrote {Path('out') / NAME}\nmade 2 images in out\n" in said.out
    assert "2 of 4 failed" in said.err
    first = graph_of(folder / "out")
    assert len(kinds(first, "CreateAction")) == 2
    assert not any("bad" in name for name in first)
    shutil.copy(folder / "in" / "a b#é.png", folder / "in" / "bad.png")
    next((folder / "out").glob("a*001.png")).unlink()
    assert app.run(command) == 0
    assert "made 3 images in out, 1 were there already" in capsys.readouterr().out
    second = graph_of(folder / "out")
    assert len(kinds(second, "CreateAction")) == 4
    # What was kept is described as before, with its times.
    kept = "#create-a%20b%23%C3%A9_generate_seed1_000.png"
    assert second[kept] == first[kept]


def test_nothing_made_has_no_crate(folder, executor):
    (folder / "in" / "a b#é.png").write_bytes(b"")
    report = batch.run(
        batch.jobs_of_folder("in", 1, 7, FAST), "out", executor=executor, ro_crate=True
    )
    assert len(report.failures) == 1
    assert not (folder / "out" / NAME).exists()


def test_only_images_that_are_as_they_were_made(folder, made):
    made(3)
    out = folder / "out"
    changed, gone, kept = sorted(out.glob("a*.png"))
    changed.write_bytes(b"")
    gone.unlink()
    # Those of another batch in the folder, which this one does not make again.
    write_image(folder / "in" / "other.png", np.zeros((9, 9), np.uint8))
    (folder / "in" / "a b#é.png").unlink()
    report = made(1)
    assert report.notes == [
        f"{changed.name}: it has changed since it was made; it is not in the RO-Crate"
    ]
    names = [unquote(name) for name in kinds(graph_of(out), "File")]
    assert names == ["manifest.jsonl", kept.name, "other_generate_seed7_000.png"]


def test_manifests_of_older_versions_have_no_times(folder, made):
    made()
    file = folder / "out" / manifest.NAME
    lines = []
    for line in file.read_text().splitlines():
        record = json.loads(line)
        del record["checksum"], record["ended"]
        lines.append(json.dumps(record | {"checksum": manifest._digest(record)}))
    file.write_text("\n".join(lines) + "\n")
    assert made().kept == 2
    for action in kinds(graph_of(folder / "out"), "CreateAction").values():
        assert not {"startTime", "endTime"} & set(action)


def test_records_of_other_versions_are_left_out(folder, made):
    made()
    records = manifest.Manifest(folder / "out").records()
    first, second = records
    del records[first]["versions"]
    records[second]["verb"] = "paint"
    assert write_crate(folder / "out", records) == [
        f"{name}: another version of pnncupy has noted it; it is not in the RO-Crate"
        for name in (first, second)
    ]
    assert list(kinds(graph_of(folder / "out"), "File")) == ["manifest.jsonl"]


def test_volumes(folder, executor, random):
    np.save("in/v.npy", random.random((8, 9, 10)))
    (folder / "in" / "a b#é.png").unlink()
    jobs = batch.jobs_of_folder("in", 1, 7, {**FAST, "patch_size": 3}, volume=True)
    assert batch.run(jobs, "out", executor=executor, ro_crate=True).failures == []
    graph = graph_of(folder / "out")
    (action,) = kinds(graph, "CreateAction").values()
    assert parameters_of(graph, action)["volume"] is True
    assert graph[action["result"]["@id"]]["encodingFormat"] == "image/tiff"


# ------------------------------------------------------------------- crates that are there already


def test_what_others_have_added_is_kept(folder, made):
    made()
    file = folder / "out" / NAME
    crate = json.loads(file.read_text("utf-8"))
    root = next(each for each in crate["@graph"] if each["@id"] == "./")
    root |= {
        "name": "Gravel", "author": [{"@id": "#me"}],
        "license": {"@id": "https://spdx.org/licenses/CC0-1.0"},
    }  # fmt: skip
    root["hasPart"].append({"@id": "README.md"})
    (folder / "out" / "README.md").write_text("Gravel")
    crate["@graph"] += [
        {"@id": "#me", "@type": "Person", "name": "N. N.", "affiliation": {"@id": "#here"}},
        {"@id": "#here", "@type": "Organization", "name": "Here"},
        {"@id": "#nobody", "@type": "Person", "name": "Not referred to"},
        {"@id": "https://spdx.org/licenses/CC0-1.0", "@type": "CreativeWork", "name": "CC0"},
        {"@id": "README.md", "@type": "File", "name": "Read me"},
    ]
    file.write_text(json.dumps(crate))
    made(3)
    graph = graph_of(folder / "out")
    assert graph["./"]["name"] == "Gravel"
    assert graph["./"]["license"] == {"@id": "https://spdx.org/licenses/CC0-1.0"}
    assert graph["./"]["author"] == [{"@id": "#me"}]
    assert (graph["#here"]["name"], graph["README.md"]["name"]) == ("Here", "Read me")
    assert "#nobody" not in graph
    assert len(kinds(graph, "CreateAction")) == len(graph["./"]["mentions"]) == 3
    parts = [each["@id"] for each in graph["./"]["hasPart"]]
    assert len(parts) == len(set(parts)) == 5
    assert graph["https://spdx.org/licenses/CC0-1.0"]["name"] == "CC0"
    # And once more, nothing becomes double.
    before = graph | {"./": {**graph["./"], "datePublished": ""}}
    made(3)
    again = graph_of(folder / "out")
    assert again | {"./": {**again["./"], "datePublished": ""}} == before


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", '{"@graph": 3}', '{"@graph": [{"@id": "./"}]}', "[" * 100_000,
        '{"@graph": [{"@id": "manifest.jsonl"}]}', '{"@graph": ["./", "manifest.jsonl"]}',
    ],
)  # fmt: skip
def test_the_crate_of_something_else_is_not_replaced(text, folder, made, capsys):
    (folder / "out").mkdir()
    (folder / "out" / NAME).write_text(text)
    told = "is not the RO-Crate of a batch of pnncupy; move it, or choose another output"
    with pytest.raises(ValueError, match=told):
        made()
    assert app.run(["batch", "in", "-o", "out", "--seed", "1", *WORDS, "--ro-crate"]) == 2
    assert f"{Path('out') / NAME} {told}" in capsys.readouterr().err
    assert [file.name for file in (folder / "out").iterdir()] == [NAME]
    assert (folder / "out" / NAME).read_text() == text


# ----------------------------------------------------------------------------------- what it needs


def test_without_the_package(folder, made, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"rocrate; install it with `pip install 'pnncupy\[c"
    ):
        made()
    for more in ([], ["--dry-run"]):
        assert (
            app.run(["batch", "in", "-o", "out", "--seed", "1", *WORDS, "--ro-crate", *more]) == 1
        )
        assert (
            "--ro-crate needs rocrate; install it with `pip install 'pnncupy[crate]'`"
        ) in capsys.readouterr().err
    assert not (folder / "out").exists()
    assert app.run(["batch", "in", "-o", "out", "--seed", "1", *WORDS, "--dry-run"]) == 0


def test_a_wrong_flag(folder, made):
    jobs = batch.jobs_of_folder("in", 1, 7, FAST)
    with pytest.raises(TypeError, match="`ro_crate` must be"):
        batch.run(jobs, "out", ro_crate="yes")


@pytest.mark.process
def test_batches_without_crates_load_nothing_for_them():
    code = (
        "import sys, pnncupy.batch.runner, pnncupy.cli.batch_command;"
        "print({'rocrate', 'requests', 'jinja2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ----------------------------------------------------------------------------------- the validator


@pytest.fixture
def issues(monkeypatch):
    """Function for what the validator finds in a folder, without the network.

    The context is that of the package rocrate, which has all terms of RO-Crate 1.1.
    """
    services = pytest.importorskip("rocrate_validator.services")
    from rocrate_validator.models import Severity
    from rocrate_validator.utils.http import HttpRequester

    text = (Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text("utf-8")

    def get(self, url, **options):
        assert url == "https://w3id.org/ro/crate/1.1/context"
        return types.SimpleNamespace(
            status_code=200, headers={"Content-Type": "application/ld+json"}, url=url, text=text,
            content=text.encode(), json=lambda: json.loads(text), raise_for_status=lambda: None,
        )  # fmt: skip

    monkeypatch.setattr(HttpRequester, "get", get, raising=False)

    def find(folder):
        settings = services.ValidationSettings(
            rocrate_uri=str(folder), profile_identifier="process-run-crate", offline=True,
            requirement_severity=Severity.RECOMMENDED,
        )  # fmt: skip
        return sorted(
            (each.severity.name, each.check.identifier)
            for each in services.validate(settings).get_issues()
        )

    return find


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_validator_finds_nothing_but_people_and_licence(folder, made, issues):
    made()
    # Nobody knows them here: agent, licence as an entity, author and publisher.
    unknown = [
        ("RECOMMENDED", "process-run-crate-0.5_8.6"), ("RECOMMENDED", "process-run-crate-0.5_8.6"),
        *(("RECOMMENDED", f"ro-crate-1.1_22.{number}") for number in (1, 2, 3)),
    ]  # fmt: skip
    assert issues(folder / "out") == unknown
    # It would find what is wrong.
    file = folder / "out" / NAME
    crate = json.loads(file.read_text("utf-8"))
    for each in crate["@graph"]:
        each.pop("instrument", None)
    next((folder / "out").glob("a*001.png")).unlink()
    file.write_text(json.dumps(crate))
    required = [name for severity, name in issues(folder / "out") if severity == "REQUIRED"]
    assert len(required) == 3
    assert sum(name.startswith("process-run-crate") for name in required) == 2


def test_an_empty_folder_has_no_earlier_crate(tmp_path):
    written = {"@graph": [{"@id": "./"}]}
    assert EarlierCrate.of(tmp_path).carried_over(written) is written
