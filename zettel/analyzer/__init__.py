"""Analyzers: what reads keywords, tags, entities and a context out of a message. One file is one analyzer.

A file's name is the analyzer's name; it defines ``create(model: str | None) -> Analyzer``. Files whose names begin with
an underscore are what analyzers share.
"""
