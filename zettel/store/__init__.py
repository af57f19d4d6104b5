"""Where memories are kept: one file an implementation."""
