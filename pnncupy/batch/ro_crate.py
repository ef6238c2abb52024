"""RO-Crates: descriptions of the folders of batches, their images and how these were made.

RO-Crate 1.1 and the profile Process Run Crate 0.5. Nothing is copied, and nothing is fetched.
"""

import hashlib
import json
import mimetypes
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from pnncupy import citation
from pnncupy.atomic_files import write_text
from pnncupy.batch.earlier_crate import NAME, EarlierCrate
from pnncupy.batch.job import file_digest
from pnncupy.batch.manifest import NAME as MANIFEST
from pnncupy.batch.provenance import Provenance, without_folders
from pnncupy.tasks.registry import TASKS

_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
# Terms that the context of RO-Crate 1.1 does not have.
_TERMS = {
    "sha256": "http://schema.org/sha256",
    "digitalSourceType": "http://schema.org/digitalSourceType",
}
_PACKAGES = "https://pypi.org/project/"
_DEFAULTS = {
    "name": "Images synthesised by pnncupy",
    "description": "Synthetic images, each with the sources whose patches it is made of, and how.",
    # RO-Crate demands one.
    "license": "Unknown: pnncupy does not know the rights in the sources; say the licence here.",
}
_LONGEST_IDENTIFIER = 60
# Entries of a record that describe an image.
_NEEDED = {"inputs", "files", "arguments", "seed", "sample", "versions"}


class _Source(NamedTuple):
    """A file that an image was made from: its digest, and its path from the folder."""

    sha256: str
    path: str


def check_crate(folder: Path) -> None:
    """Refuse to begin where a crate could not be written in the end.

    Raises
    ------
    ModuleNotFoundError
        The package rocrate is missing.
    ValueError
        The folder holds the crate of something else, or a damaged one.
    """
    try:
        import rocrate.rocrate  # noqa: F401
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "an RO-Crate needs the package rocrate; install it with `pip install 'pnncupy[crate]'`"
        ) from None
    EarlierCrate.of(folder)


def write_crate(folder: Path, records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Write the description of a folder, in place of an earlier one.

    Parameters
    ----------
    folder : Path
    records : mapping
        Records of a manifest by the names of their images, which are read for their digests.

    Returns
    -------
    list of str
        Notes on images that are left out, a line each; those that are missing have none.
    """
    earlier = EarlierCrate.of(folder)
    crate = _Crate(folder)
    notes = []
    for output, record in records.items():
        reason = crate.refusal(output, record)
        if reason == "":
            crate.add(output, record)
        elif reason != "missing":
            notes.append(f"{output}: {reason}; it is not in the RO-Crate")
    write_text(
        folder / NAME, json.dumps(crate.described(earlier), indent=2, ensure_ascii=False) + "\n"
    )
    return notes


class _Crate:
    """A crate under construction."""

    def __init__(self, folder: Path):
        from rocrate.rocrate import ROCrate

        self._folder = folder
        self._crate: Any = ROCrate(version="1.1")
        self._crate.metadata.extra_terms.update(_TERMS)
        self._sources: dict[_Source, str] = {}
        self._known: dict[str, Any] = {}
        self._actions: list[dict[str, str]] = []
        self._file(MANIFEST, {
            "name": "Manifest", "description": "Record of each image, a line of JSON each.",
            "encodingFormat": "application/jsonl",
        })  # fmt: skip

    def refusal(self, output: str, record: Mapping[str, Any]) -> str:
        """Reason why an image is left out; empty if it is not."""
        file = self._folder / output
        if not file.is_file():
            return "missing"
        if not output.isprintable():
            return "its name has characters that no identifier can have"
        if file_digest(file) != record["sha256"]:
            return "it has changed since it was made"
        known = record.get("verb") in TASKS and set(record) >= _NEEDED
        return "" if known else "another version of pnncupy has noted it"

    def add(self, output: str, record: Mapping[str, Any]) -> None:
        """Add an image, and the action that made it."""
        spec = TASKS[record["verb"]]
        inputs, arguments = record["inputs"], record["arguments"]
        by_parameter = {
            name: [_Source(*each) for each in zip(digests, record["files"][name], strict=True)]
            for name, digests in inputs.items()
        }
        first = by_parameter[spec.images[0].name]
        provenance = Provenance(
            record["verb"], tuple(_name(each) for each in first),
            record["seed"] if spec.draws(arguments) else None,
            spec.changes_a_part(inputs, arguments),
        )  # fmt: skip
        made_from = provenance.record(record["sample"])
        term = made_from.digital_source_type
        self._entity(term, {"@type": "DefinedTerm", "name": term.rpartition("/")[2]})
        sources = [{"@id": self._source(each)} for all_ in by_parameter.values() for each in all_]
        path = Path(output)
        result = self._file(path.as_posix(), {
            "name": path.name, "description": made_from.text, "sha256": record["sha256"],
            "contentSize": str((self._folder / output).stat().st_size),
            "digitalSourceType": {"@id": term}, "isBasedOn": _compact(sources), **_encoding(path),
        })  # fmt: skip
        given = {
            **{
                name: _name(all_[0]) if len(all_) == 1 else [_name(each) for each in all_]
                for name, all_ in by_parameter.items()
            },
            **arguments, **({"volume": True} if record.get("volume") else {}),
            "seed": provenance.seed,
            "sample": record["sample"] if spec.realisations else None,
        }  # fmt: skip
        action = f"#create-{result}"
        self._entity(action, {
            "@type": "CreateAction", "name": f"pnncupy {record['verb']}",
            "description": made_from.text,
            "instrument": {"@id": self._software(record["versions"])},
            "object": _compact([*sources, *self._parameters(given)]), "result": {"@id": result},
            "actionStatus": "http://schema.org/CompletedActionStatus", **_times(record),
        })  # fmt: skip
        self._actions.append({"@id": action})

    def described(self, earlier: EarlierCrate) -> dict[str, Any]:
        """The whole description, with what was added to an earlier one by hand."""
        self._entity(_PROFILE, {
            "@type": "CreativeWork", "name": "Process Run Crate",
            "version": _PROFILE.rpartition("/")[2],
        })  # fmt: skip
        root = self._crate.root_dataset
        root["conformsTo"] = {"@id": _PROFILE}
        root["mentions"] = _compact(self._actions)
        for name, value in _DEFAULTS.items():
            root[name] = value
        written: dict[str, Any] = self._crate.metadata.generate()
        return earlier.carried_over(written)

    # ---------------------------------------------------------------------------------- entities

    def _file(self, path: str, properties: dict[str, Any]) -> str:
        """Identifier of a file of the folder."""
        identifier = quote(path)
        if identifier not in self._known:
            self._known[identifier] = self._crate.add_file(
                self._folder / path, dest_path=path, properties=properties
            )
        return identifier

    def _entity(self, identifier: str, properties: dict[str, Any]) -> str:
        """Identifier of an entity that is no file of the folder."""
        if identifier not in self._known:
            from rocrate.model.contextentity import ContextEntity

            self._known[identifier] = self._crate.add(
                ContextEntity(self._crate, identifier, properties=properties)
            )
        return identifier

    def _source(self, source: _Source) -> str:
        """Identifier of a source: of a file of the folder, if it is one and is unchanged."""
        if source not in self._sources:
            self._sources[source] = self._identified(source)
        return self._sources[source]

    def _identified(self, source: _Source) -> str:
        path, file = Path(source.path), self._folder / source.path
        inside = not path.is_absolute() and ".." not in path.parts and file.is_file()
        if inside and file_digest(file) == source.sha256:
            return self._file(path.as_posix(), {
                "name": path.name, "sha256": source.sha256,
                "contentSize": str(file.stat().st_size), **_encoding(path),
            })  # fmt: skip
        # Elsewhere: its name and digest say which image it is, a path would say where we are.
        return self._entity(f"#sha256-{source.sha256}", {
            "@type": ["CreativeWork", "ImageObject"], "name": _name(source),
            "sha256": source.sha256, **_encoding(path),
        })  # fmt: skip

    def _parameters(self, given: Mapping[str, Any]) -> list[dict[str, str]]:
        """References to the parameters of a call; calls share those that are equal."""
        found = []
        for name, value in given.items():
            if value is None and name in ("seed", "sample"):
                continue
            plain = without_folders(value)
            text = json.dumps(plain, ensure_ascii=False)
            short = quote(
                text
                if len(text) <= _LONGEST_IDENTIFIER
                else hashlib.sha256(text.encode()).hexdigest()
            )
            known = plain if isinstance(plain, bool | int | float | str) else text
            found.append({"@id": self._entity(f"#{name}={short}", {
                "@type": "PropertyValue", "name": name, "value": known,
            })})  # fmt: skip
        return found

    def _software(self, versions: Mapping[str, str]) -> str:
        """Identifier of the package, with the versions of the libraries that bits depend on."""
        others = {name: each for name, each in versions.items() if name != "pnncupy"}
        needed = [
            {"@id": self._entity(f"{_PACKAGES}{name}/{each}/", {
                "@type": "SoftwareApplication", "name": name, "softwareVersion": each,
                "url": f"{_PACKAGES}{name}/",
            })}
            for name, each in others.items()
        ]  # fmt: skip
        paper = f"https://doi.org/{citation.GPNN.doi}"
        self._entity(paper, {
            "@type": "ScholarlyArticle", "name": citation.GPNN.title,
            "description": citation.GPNN.text(),
        })  # fmt: skip
        own = versions["pnncupy"]
        libraries = ",".join(f"{name}-{each}" for name, each in others.items())
        return self._entity(f"{_PACKAGES}pnncupy/{own}/#{libraries}", {
            "@type": "SoftwareApplication", "name": "pnncupy", "softwareVersion": own,
            "url": citation.WEBSITE, "softwareRequirements": _compact(needed),
            "citation": {"@id": paper},
        })  # fmt: skip


def _name(source: _Source) -> str:
    if source.path == source.sha256[: len(source.path)]:
        return "an array"
    name = Path(source.path).name
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _compact(references: list[dict[str, str]]) -> Any:
    """References as a property holds them: a single one is no list."""
    return references[0] if len(references) == 1 else references


def _encoding(path: Path) -> dict[str, str]:
    kind, _ = mimetypes.guess_type(path.name)
    return {} if kind is None else {"encodingFormat": kind}


def _times(record: Mapping[str, Any]) -> dict[str, str]:
    """Start and end of an action; older versions did not note them."""
    try:
        ended = datetime.fromisoformat(record["ended"]).astimezone(UTC)
        started = ended - timedelta(seconds=record["seconds"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return {}
    return {
        "startTime": started.isoformat(timespec="seconds"),
        "endTime": ended.isoformat(timespec="seconds"),
    }
