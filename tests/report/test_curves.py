"""Descriptors and entropy of label images on the page of a report."""

import re

import numpy as np
import pytest

from pnncupy import metrics
from pnncupy.io import read_image, write_image
from pnncupy.report.builder import build_report

FAST = "iterations = 1\nlevels = 1\ncoarse_iterations = 1\n"


@pytest.fixture
def report(tmp_path, random):
    labels = random.integers(0, 3, (24, 28)).astype(np.uint8)
    write_image(tmp_path / "labels.png", labels)

    def make(text):
        (tmp_path / "spec.toml").write_text(text)
        return build_report(tmp_path / "spec.toml", tmp_path / "out", threads=1)

    return make


def test_results_of_labels_have_curves_and_an_entropy(report):
    page = report(f"[[generate]]\nimage = 'labels.png'\ncategorical = true\nn = 3\n{FAST}")
    found = re.findall(
        r'<img class="curves" src="([^"]+)" width="(\d+)" height="(\d+)"', page.read_text()
    )
    assert [file for file, *_ in found] == [
        "pictures/1_labels_curves.png", "pictures/1_labels_entropy.png"
    ]  # fmt: skip
    pictures = [read_image(page.parent / file) for file, *_ in found]
    assert [picture.shape[:2] for picture in pictures] == [
        (int(height), int(width)) for _, width, height in found
    ]
    # Curves are red and blue.
    assert (np.ptp(pictures[0].astype(int), axis=2) > 100).any()
    results = [
        read_image(page.parent / f"pictures/1_labels_sample_{k}.png")[..., 0] for k in range(3)
    ]
    entropy = metrics.ensemble(results, categorical=True).entropy
    expected = np.rint(entropy / entropy.max() * 255)
    np.testing.assert_allclose(pictures[1].reshape(24, 28, -1)[..., 0], expected, atol=1)


@pytest.mark.parametrize("changes", ["n = 1\ncategorical = true\n", "n = 2\n"])
def test_single_results_and_intensities_have_none(report, changes):
    page = report(f"[[generate]]\nimage = 'labels.png'\n{changes}{FAST}")
    assert 'class="curves"' not in page.read_text()
    assert not list(page.parent.glob("pictures/*_curves.png"))
