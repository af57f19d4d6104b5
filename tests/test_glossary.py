"""One word for one thing: the words and phrases that `docs/glossary.md` replaces occur nowhere."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"

FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)  # examples of text and code
CODE = sorted((ROOT / "zettel").rglob("*.py"))
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docker").glob("*.md")} - {GLOSSARY})


def rows_after(heading):
    """The cells of the first table below a line that begins with ``heading``."""
    lines = iter(GLOSSARY.read_text(encoding="utf-8").splitlines())
    next(line for line in lines if line.startswith(heading))
    rows = []
    for line in lines:
        if line.startswith("|"):
            rows.append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            break
    return rows[2:]


def replaced(place):
    return {
        word: use
        for words, use, places in rows_after("The test reads this table")
        for word in words.split(", ")
        if place in places.split(", ")
    }


NAMES, PROSE = replaced("names"), replaced("prose")
PHRASES = {re.compile(phrase.strip("`")): use for phrase, use in rows_after("Some turns of phrase")}


def faults_of_prose(text):
    words = re.findall(r"[a-z]+", text.lower())
    faults = [f"{word!r}: {PROSE[word]}" for word in words if word in PROSE]
    flat = " ".join(re.sub(r"^\s*#", "", line) for line in text.splitlines())
    flat = " ".join(flat.split())
    return faults + [f"{found.group()!r}: {use}" for phrase, use in PHRASES.items() for found in phrase.finditer(flat)]


def faults_of_name(name):
    words = re.findall(r"[a-z]+|[A-Z][a-z]*", name)
    return [f"the name {name!r}: {NAMES[word.lower()]}" for word in words if word.lower() in NAMES]


def faults_of_code(source):
    """What is wrong in the docstrings, the comments and the names of a Python file."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    prose = [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(source)) if isinstance(node, documented)]
    names: set[str] = set()
    block: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            names.add(token.string)
        if token.type == tokenize.COMMENT:
            block.append(token.string)
        elif token.type != tokenize.NL:
            prose.append("\n".join(block))
            block = []
    return [
        *(fault for text in prose for fault in faults_of_prose(text)),
        *(fault for name in sorted(names) for fault in faults_of_name(name)),
    ]


def faults_of(path):
    text = path.read_text(encoding="utf-8")
    return faults_of_code(text) if path.suffix == ".py" else faults_of_prose(FENCED.sub("", text))


def relative(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [*CODE, *PAGES], ids=relative)
def test_a_file_uses_the_words_of_the_glossary(path):
    assert faults_of(path) == []


def test_the_tables_are_read():
    assert NAMES["seat"] == "insert, place"
    assert "fewest" in PROSE and "fewest" not in NAMES
    assert faults_of_code('"""None where there is none."""') and faults_of_code("_held = 1  # fine")
    assert not faults_of_code('"""None if there is none."""\nplace = 1  # where the file lies')
