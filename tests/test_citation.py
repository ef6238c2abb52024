"""One source of how to cite: the module, CITATION.cff and the documentation agree."""

import re
from pathlib import Path

import pytest

from pnncupy import citation

ROOT = Path(__file__).parents[1]


def test_the_file_of_the_repository_is_that_of_the_module():
    assert (ROOT / "CITATION.cff").read_text("utf-8") == citation.cff() + "\n"


def test_the_table_of_the_documentation_is_that_of_the_module():
    page = (ROOT / "docs" / "project" / "citing.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.*) \| (.*), \[doi:(.*)\]\(https://doi.org/(.*)\) \|$", page, re.M)
    assert rows == [
        (each.feature, each.short, each.doi, each.doi)
        for each in citation.REFERENCES
        if each.feature
    ]
    assert f"[doi:{citation.GPNN.doi}](https://doi.org/{citation.GPNN.doi})" in page.replace(
        "\n", ""
    )
    assert re.sub(r"\s*\n> ", " ", page).count(citation.GPNN.title) == 1


def test_keys_and_dois_are_different():
    for name in ("key", "doi", "title"):
        values = [getattr(each, name) for each in citation.REFERENCES]
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("reference", citation.REFERENCES, ids=lambda each: each.key)
def test_a_line_of_text(reference):
    line = reference.text()
    assert line.endswith(f", {reference.year}. https://doi.org/{reference.doi}")
    assert line.startswith(" ".join(reference.authors[0]))
    assert line.count(" and ") - reference.title.count(" and ") >= min(
        len(reference.authors) - 1, 1
    )


def test_short_forms():
    short = {each.key: each.short for each in citation.REFERENCES}
    assert short["torquato2002random"] == "Torquato 2002"
    assert short["damelin2018surface"] == "Damelin and Hoang 2018"
    assert short["shaham2019singan"] == "Rott Shaham et al. 2019"


def test_entries_for_bibtex():
    text = citation.bibtex(citation.REFERENCES, "9.8")
    assert text.isascii()
    assert text.count("{") == text.count("}")
    entries = text.split("\n\n")
    kinds = [re.match(r"@(\w+)\{(\w+),\n", entry).groups() for entry in entries]
    assert kinds == [
        ("misc", "pnncupy"), *((each.kind, each.key) for each in citation.REFERENCES)
    ]  # fmt: skip
    assert "  note = {Version 9.8},\n" in entries[0]
    assert "Rabin, Julien and Peyr{\\'e}, Gabriel and Delon, Julie and Bernot, Marc" in text
    # Of the kinds that BibTeX has, each with the fields that it needs.
    needed = {"article": "journal", "inproceedings": "booktitle", "book": "publisher"}
    for entry, each in zip(entries[1:], citation.REFERENCES, strict=True):
        for field in ("author", "title", "year", needed[each.kind]):
            assert f"\n  {field} = {{" in entry


def test_other_publications_are_references_of_a_cff_file():
    text = citation.cff((citation.GPNN, citation.PATCHMATCH, citation.REFERENCES[-1]), "9.8")
    preferred, _, others = text.partition("\nreferences:\n")
    assert preferred.endswith(f"doi: {citation.GPNN.doi}")
    assert "\nversion: 9.8\n" in preferred
    assert others.splitlines()[0] == "  - type: article"
    assert others.count("  - type: ") == 2
    assert '    publisher:\n      name: "Springer"' in others
    assert re.findall(r"^    doi: (.*)$", others, re.M) == [
        citation.PATCHMATCH.doi, "10.1007/978-1-4757-6355-3",
    ]  # fmt: skip
