"""Reads a YAML file and remembers the line of every key, so that each complaint can point at it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from alliance_analysis.errors import DataError
from alliance_analysis.study.problems import Problem

KeyPath = tuple[str, ...]
_PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True)
class YamlFile:
    """A YAML mapping with where each part stands.

    Attributes
    ----------
    file : str
        Name of the file.
    values : dict
        The content, scalars typed as ``yaml.safe_load`` would.
    texts : dict
        Key path -> the scalar exactly as written: a column called ``No`` is not False, question ``02`` is not 2.
    lines : dict
        Key path -> line, counted from 1.
    problems : tuple of Problem
        Keys that stand twice.
    """

    file: str
    values: dict[str, Any]
    texts: dict[KeyPath, str]
    lines: dict[KeyPath, int]
    problems: tuple[Problem, ...]


def read_yaml(path: Path) -> YamlFile:
    """Read one YAML mapping.

    Raises
    ------
    DataError
        When there is no such file, it is not text, not valid YAML, or not a list of ``key: value`` lines.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read ({error.strerror}). Check the path.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: is not UTF-8 text. Save it with the encoding UTF-8.") from error
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        walk = _Walk(path.name, loader)
        if not isinstance(root, yaml.MappingNode):
            raise DataError(f"{path.name}: has no `key: value` lines; a study file starts with `study:` and `data:`.")
        values = walk.mapping(root, ())
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DataError(f"{path.name}: {_sentence(error)}") from error
    finally:
        if loader is not None:
            loader.dispose()
    return YamlFile(path.name, values, walk.texts, walk.lines, tuple(walk.problems))


def _sentence(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "a value that cannot be read"
    where = f"line {mark.line + 1}" if mark is not None else "the file"
    return f"{where} is not valid YAML ({what}). Check indentation, colons, quotes and brackets there."


class _Walk:
    """Turns nodes into values and notes line, text and repeated keys on the way."""

    def __init__(self, file: str, loader: yaml.SafeLoader) -> None:
        self.file = file
        self.loader = loader
        self.texts: dict[KeyPath, str] = {}
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        # an alias would be the same node again: refused, because a few of them can stand for millions of values
        if id(node) in self._seen:
            raise yaml.MarkedYAMLError(problem="aliases (*) are not allowed", problem_mark=node.start_mark)
        self._seen.add(id(node))
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _PLAIN_TAGS:
            raise yaml.MarkedYAMLError(problem="tags (!) are not allowed", problem_mark=node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, str(position))) for position, child in enumerate(node.value)]
        self.texts[path] = node.value
        return self.loader.construct_object(node)

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be one word", problem_mark=key_node.start_mark)
            key = key_node.value
            here = (*path, key)
            if key in values:
                text = f"{'.'.join(here)} stands twice, first in line {self.lines[here]}. Keep one of them."
                self.problems.append(Problem(self.file, f"line {line}", text, line))
                continue
            self.lines[here] = line
            values[key] = self.value(value_node, here)
        return values
