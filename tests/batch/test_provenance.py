"""Records of jobs: their sources and arguments, without folders."""

from pathlib import Path

import numpy as np
import pytest

from pnncupy import batch
from pnncupy.batch.job import Input, Job, job_provenance
from pnncupy.batch.provenance import provenance
from pnncupy.io import write_image
from pnncupy.io.formats.xmp import ALGORITHMIC_MEDIA, COMPOSITE_SYNTHETIC


def test_inputs_that_are_arrays_have_no_names(random):
    image = random.integers(0, 255, (24, 32), np.uint8)
    mask = np.zeros(image.shape, bool)
    mask[6:9, 6:9] = True
    jobs, _ = batch.make_jobs("inpaint", output="a", image=image, mask=mask, iterations=1)
    record = job_provenance(jobs[0], 1).record()
    assert record.sources == ("an array",)
    assert record.arguments == {"mask": "an array", "iterations": 1}
    assert record.digital_source_type == COMPOSITE_SYNTHETIC


def test_inputs_that_are_files_have_names_only(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((5, 4), np.uint8))
    files = tuple(Input(f"{tmp_path}/{name}", "") for name in ("a.png", "b\udc9b.png"))
    job = Job("generate", {"image": files}, {"alpha": 0.1}, "out.png", 3, 2)
    record = job_provenance(job, 1).record(2)
    assert record.sources == ("a.png", "b?.png")
    assert (record.arguments, record.seed, record.sample) == ({"alpha": 0.1}, 3, 2)


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        (float("inf"), "inf"), (float("-inf"), "-inf"), (float("nan"), "nan"), (0.5, 0.5),
        (True, True), (None, None), ("std", "std"), ("1,1,0.5", "1,1,0.5"), ("", ""),
        ("/home/me/mask.png", "mask.png"), ("../mask.png", "mask.png"), ("a\nb\x1b", "a?b?"),
        (Path("/home/me/mask.png"), "mask.png"), ((2, 3), [2, 3]),
        ([("/a/b.png", "c/d.png", float("inf"))], [["b.png", "d.png", "inf"]]),
    ],
)  # fmt: skip
def test_arguments_are_plain_and_name_no_folder(given, recorded):
    found = provenance("generate", ["/home/me/in.png"], 1, arguments={"argument": given}).record()
    assert found.arguments == {"argument": recorded}
    assert found.sources == ("in.png",)


def test_what_a_file_holds_decides_its_kind():
    made_from = provenance("inpaint", ["a.png"], 1, seed=2, partly=True)
    kinds = {
        content: made_from.record(None, content).digital_source_type
        for content in ("image", "contact sheet", "index map", "mask")
    }
    assert kinds.pop("image") == kinds.pop("contact sheet") == COMPOSITE_SYNTHETIC
    assert set(kinds.values()) == {ALGORITHMIC_MEDIA}
    assert made_from.record(1).text == made_from.mark(1)
    assert made_from.record(1, "mask").text == f"mask: {made_from.mark(1)}"
