"""Signals, one file each, and their fusion into one score. Files beginning with an underscore are no signals."""

from zettel.scoring._fusion import Fused, Fusion, fuse
from zettel.scoring._routed import Route, RoutedScan
from zettel.scoring._scan import Census, Scan

__all__ = ["Census", "Fused", "Fusion", "Route", "RoutedScan", "Scan", "fuse"]
