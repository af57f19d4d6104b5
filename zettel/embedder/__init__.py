"""Embedders, one file each; the file's name is the embedder's. Files that begin with an underscore are helpers."""
