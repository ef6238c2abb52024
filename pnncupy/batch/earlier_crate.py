"""Additions of others to the RO-Crate of a batch: they are kept where it is written again."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

NAME = "ro-crate-metadata.json"
_ROOT = "./"
# Properties of the root that say what the folder holds now.
_WRITTEN_AGAIN = ("@id", "@type", "hasPart", "mentions", "conformsTo", "datePublished")


class EarlierCrate:
    """Entities of a crate by identifier, none where there is no crate yet."""

    def __init__(self, entities: Mapping[str, dict[str, Any]]):
        self._entities = entities

    @classmethod
    def of(cls, folder: Path) -> "EarlierCrate":
        """Read the crate of a folder.

        Raises
        ------
        ValueError
            It is damaged, or not of a batch.
        """
        file = folder / NAME
        if not file.is_file():
            return cls({})
        try:
            graph = json.loads(file.read_text("utf-8"))["@graph"]
            entities = {str(each["@id"]): dict(each) for each in graph}
            own = _ROOT in entities and any(map(_is_own, entities.values()))
        except (ValueError, KeyError, TypeError, RecursionError):
            own = False
        if not own:
            raise ValueError(
                f"{file} is not the RO-Crate of a batch of pnncupy; move it, or choose another "
                "output"
            )
        return cls(entities)

    def carried_over(self, written: dict[str, Any]) -> dict[str, Any]:
        """Add properties of the root and files that others have added, with all they refer to."""
        if not self._entities:
            return written
        graph = {each["@id"]: each for each in written["@graph"]}
        root, earlier = graph[_ROOT], self._entities[_ROOT]
        added = {name: each for name, each in earlier.items() if name not in _WRITTEN_AGAIN}
        parts = [{"@id": each} for each in self._other_parts() if each not in graph]
        root |= added
        root["hasPart"] = [*_as_list(root.get("hasPart", [])), *parts]
        waiting = list(_references([*added.values(), *parts]))
        while waiting:
            name = waiting.pop()
            if name in self._entities and name not in graph:
                graph[name] = self._entities[name]
                waiting += _references(list(graph[name].values()))
        return written | {"@graph": list(graph.values())}

    def _other_parts(self) -> Iterator[str]:
        """Identifiers of parts that are neither sources nor results of an action."""
        actions = [each for each in self._entities.values() if each.get("@type") == "CreateAction"]
        own = set(
            _references([each.get(name) for each in actions for name in ("object", "result")])
        )
        for name in _references(self._entities[_ROOT].get("hasPart", [])):
            if name not in own:
                yield name


def _is_own(entity: Mapping[str, Any]) -> bool:
    """Test whether an entity is the manifest of a batch."""
    return entity.get("@id") == "manifest.jsonl"


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _references(value: Any) -> Iterator[str]:
    """Identifiers that a value refers to."""
    for each in _as_list(value):
        if isinstance(each, Mapping) and isinstance(each.get("@id"), str):
            yield each["@id"]
        elif isinstance(each, list):
            yield from _references(each)
