"""Embedders: one file each, named as in the configuration; files with a leading underscore are their helpers."""
