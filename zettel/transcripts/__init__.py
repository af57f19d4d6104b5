"""Transcript formats, one file each: ``locomo.py`` defines ``FORMAT``, the format with the name "locomo".

A file whose name begins with an underscore is not a format; it holds what formats share.
"""
