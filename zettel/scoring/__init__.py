"""Signals, one file each, and their fusion into one score. A file that begins with an underscore is no signal."""

from zettel.scoring._fusion import Fused, Fusion, fuse
from zettel.scoring._routed import Route, RoutedScan
from zettel.scoring._scan import Census, ExactScan

__all__ = ["Census", "ExactScan", "Fused", "Fusion", "Route", "RoutedScan", "fuse"]
