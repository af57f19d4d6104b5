"""Modules and classes stay small enough to be read in one sitting, unless their file says why not."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "zettel").rglob("*.py"))

MODULE = 500
CLASS = 400

#: The comment by which a file states the reason for its size: "# size: a table of 600 rows can't be divided".
REASON = re.compile(r"^# size: \S.{9,}", re.MULTILINE)


def too_long(source):
    """The modules and classes of a file that have more lines than they may."""
    if REASON.search(source):
        return []
    classes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef))
    sizes = {f"class {node.name}": (node.end_lineno - node.lineno + 1, CLASS) for node in classes}
    sizes["the module"] = len(source.splitlines()), MODULE
    return [f"{what} has {lines} lines" for what, (lines, most) in sizes.items() if lines > most]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_and_its_classes_are_small(path):
    assert too_long(path.read_text(encoding="utf-8")) == [], "divide it, or state the reason: # size: ..."


def test_what_is_too_long_is_found():
    module = "x = 1\n" * (MODULE + 1)
    assert too_long(module) == [f"the module has {MODULE + 1} lines"]
    assert too_long("class A:\n" + "    x = 1\n" * CLASS) == [f"class A has {CLASS + 1} lines"]
    assert too_long("x = 1\n" * MODULE) == []


def test_a_stated_reason_is_enough():
    module = "x = 1\n" * (MODULE + 1)
    assert too_long("# size: a table of 600 rows can't be divided\n" + module) == []
    assert too_long("# size:\n" + module) != []
