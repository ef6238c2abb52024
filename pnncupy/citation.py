"""Citation of the package and of the methods that it implements: the one place that knows them.

`CITATION.cff` and the table in docs/project/citing.md say the same, as tests check.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pnncupy._version import __version__

FORMATS = ("text", "bibtex", "cff")
REPOSITORY, WEBSITE = "https://github.com/pnncupy/pnncupy", "https://pnncupy.github.io/pnncupy/"
AUTHORS = "The pnncupy developers"
LICENCE = "MIT"
_ABSTRACT = (
    "Patch nearest-neighbour image synthesis (GPNN) for NumPy and CuPy arrays: generation, "
    "retargeting, inpainting, structural analogies, collages and editing, from one example image "
    "and without training."
)
_KEYWORDS = ("image synthesis", "texture synthesis", "inpainting", "multiple-point statistics")
_MESSAGE = "If you use this software, please cite it and the paper whose method it implements."
# Letters outside of ASCII in names, for BibTeX.
_LATEX = {"é": "{\\'e}"}


@dataclass(frozen=True)
class Reference:
    """A publication.

    Attributes
    ----------
    key : str
        For BibTeX.
    feature : str
        Part of the package that it is to be cited for; empty for the method of all tasks.
    authors : tuple of (str, str)
        Given and family names.
    title : str
    venue : str
        Journal, proceedings or publisher.
    year : int
    doi : str
    kind : {"article", "inproceedings", "book"}
        Type of entry of BibTeX.
    """

    key: str
    feature: str
    authors: tuple[tuple[str, str], ...]
    title: str
    venue: str
    year: int
    doi: str
    kind: str = "article"

    @property
    def short(self) -> str:
        """Authors and year, as in a text."""
        families = [family for _, family in self.authors]
        if len(families) > 2:
            return f"{families[0]} et al. {self.year}"
        return f"{' and '.join(families)} {self.year}"

    def text(self) -> str:
        """Return one line for a list of references."""
        names = [f"{given} {family}" for given, family in self.authors]
        listed = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
        return f"{listed}: {self.title}. {self.venue}, {self.year}. https://doi.org/{self.doi}"


_TOG = "ACM Transactions on Graphics"
_CVPR = "Conference on Computer Vision and Pattern Recognition"

GPNN = Reference(
    "granot2022drop", "",
    (("Niv", "Granot"), ("Ben", "Feinstein"), ("Assaf", "Shocher"), ("Shai", "Bagon"),
     ("Michal", "Irani")),
    "Drop the GAN: In Defense of Patches Nearest Neighbors as Single Image Generative Models",
    f"Proceedings of the IEEE/CVF {_CVPR} (CVPR)", 2022, "10.48550/arXiv.2103.15545",
    "inproceedings",
)  # fmt: skip
PATCHMATCH = Reference(
    "barnes2009patchmatch", '`method="patchmatch"`',
    (("Connelly", "Barnes"), ("Eli", "Shechtman"), ("Adam", "Finkelstein"), ("Dan B", "Goldman")),
    "PatchMatch: A Randomized Correspondence Algorithm for Structural Image Editing",
    _TOG, 2009, "10.1145/1531326.1531330",
)  # fmt: skip
BIHARMONIC = Reference(
    "damelin2018surface", '`fill="smooth"` of `inpaint`',
    (("S. B.", "Damelin"), ("N. S.", "Hoang")),
    "On Surface Completion and Image Inpainting by Biharmonic Functions: Numerical Aspects",
    "International Journal of Mathematics and Mathematical Sciences", 2018, "10.1155/2018/3950312",
)  # fmt: skip
BIDIRECTIONAL_SIMILARITY = Reference(
    "simakov2008summarizing", "`baselines.bidirectional_similarity`",
    (("Denis", "Simakov"), ("Yaron", "Caspi"), ("Eli", "Shechtman"), ("Michal", "Irani")),
    "Summarizing Visual Data Using Bidirectional Similarity", f"IEEE {_CVPR} (CVPR)", 2008,
    "10.1109/CVPR.2008.4587842", "inproceedings",
)  # fmt: skip
SOLID_TEXTURES = Reference(
    "kopf2007solid", "`grow_volume`",
    (("Johannes", "Kopf"), ("Chi-Wing", "Fu"), ("Daniel", "Cohen-Or"), ("Oliver", "Deussen"),
     ("Dani", "Lischinski"), ("Tien-Tsin", "Wong")),
    "Solid Texture Synthesis from 2D Exemplars", _TOG, 2007, "10.1145/1276377.1276380",
)  # fmt: skip
PATCH_DIFFUSION = Reference(
    "qiu2026efficient", '`sampler="diffusion"`',
    (("Haojun", "Qiu"), ("Kiriakos N.", "Kutulakos"), ("David B.", "Lindell")),
    "Efficient and Training-Free Single-Image Diffusion Models", f"IEEE/CVF {_CVPR} (CVPR)", 2026,
    "10.48550/arXiv.2606.04299", "inproceedings",
)  # fmt: skip
# All, in the order of the table in the documentation.
REFERENCES = (
    GPNN, PATCHMATCH, PATCH_DIFFUSION, BIHARMONIC, BIDIRECTIONAL_SIMILARITY, SOLID_TEXTURES,
    Reference(
        "shaham2019singan", "`metrics.sifid`, `metrics.diversity`",
        (("Tamar", "Rott Shaham"), ("Tali", "Dekel"), ("Tomer", "Michaeli")),
        "SinGAN: Learning a Generative Model from a Single Natural Image",
        "IEEE/CVF International Conference on Computer Vision (ICCV)", 2019,
        "10.1109/ICCV.2019.00467", "inproceedings",
    ),
    Reference(
        "rabin2012wasserstein", "`metrics.patch_swd`",
        (("Julien", "Rabin"), ("Gabriel", "Peyré"), ("Julie", "Delon"), ("Marc", "Bernot")),
        "Wasserstein Barycenter and Its Application to Texture Mixing",
        "Scale Space and Variational Methods in Computer Vision", 2012,
        "10.1007/978-3-642-24785-9_37", "inproceedings",
    ),
    Reference(
        "torquato2002random", "`metrics.two_point_correlation`", (("Salvatore", "Torquato"),),
        "Random Heterogeneous Materials: Microstructure and Macroscopic Properties", "Springer",
        2002, "10.1007/978-1-4757-6355-3", "book",
    ),
)  # fmt: skip


def software_text(version: str = __version__) -> str:
    """Return one line for a list of references that is the package itself."""
    return f"{AUTHORS}: pnncupy, version {version}. {REPOSITORY}"


def bibtex(references: Sequence[Reference], version: str = __version__) -> str:
    """Return entries of the package and of publications for BibTeX, in ASCII."""
    software = {
        "author": f"{{{AUTHORS}}}", "title": "{pnncupy}", "note": f"Version {version}",
        "howpublished": f"\\url{{{REPOSITORY}}}",
    }  # fmt: skip
    entries = [_bibtex_entry("misc", "pnncupy", software)]
    for each in references:
        place = {"article": "journal", "inproceedings": "booktitle", "book": "publisher"}[each.kind]
        fields = {
            "author": " and ".join(f"{family}, {given}" for given, family in each.authors),
            "title": f"{{{each.title}}}", place: each.venue, "year": str(each.year),
            "doi": each.doi,
        }  # fmt: skip
        entries.append(_bibtex_entry(each.kind, each.key, fields))
    return "\n\n".join(entries)


def _bibtex_entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{_in_latex(value)}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _in_latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def cff(references: Sequence[Reference] = (), version: str = __version__) -> str:
    """Return a file of the Citation File Format 1.2.0, GPNN the preferred citation.

    Other publications are its references.
    """
    lines = [
        "cff-version: 1.2.0", "title: pnncupy", f"message: {_MESSAGE}", "type: software",
        f"abstract: {_quoted(_ABSTRACT)}", "keywords:", *(f"  - {word}" for word in _KEYWORDS),
        f"license: {LICENCE}", f"repository-code: {REPOSITORY}", f"url: {WEBSITE}",
        f"version: {version}", "authors:", f"  - name: {AUTHORS}", "preferred-citation:",
        *(f"  {line}" for line in _cff_reference(GPNN)),
    ]  # fmt: skip
    others = [each for each in references if each is not GPNN]
    lines += ["references:"] if others else []
    for each in others:
        first, *more = _cff_reference(each)
        lines += [f"  - {first}", *(f"    {line}" for line in more)]
    return "\n".join(lines)


def _cff_reference(reference: Reference) -> list[str]:
    """The lines of a publication in the Citation File Format."""
    kind = {"inproceedings": "conference-paper"}.get(reference.kind, reference.kind)
    place = {
        "article": [f"journal: {_quoted(reference.venue)}"],
        "inproceedings": [f"collection-title: {_quoted(reference.venue)}"],
        "book": ["publisher:", f"  name: {_quoted(reference.venue)}"],
    }[reference.kind]
    names = [
        line for given, family in reference.authors
        for line in (f"  - family-names: {_quoted(family)}", f"    given-names: {_quoted(given)}")
    ]  # fmt: skip
    return [
        f"type: {kind}", f"title: {_quoted(reference.title)}", "authors:", *names, *place,
        f"year: {reference.year}", f"doi: {reference.doi}",
    ]  # fmt: skip


def _quoted(text: str) -> str:
    """Text in quotes of YAML, which are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
