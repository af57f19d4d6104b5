"""The stores of memories: each implementation is a module or a package in this folder."""
