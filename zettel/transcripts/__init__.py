"""Transcript formats, one a file: ``locomo.py`` defines ``FORMAT``, the format named "locomo".

Files whose name begins with an underscore hold what formats share, and are no formats.
"""
