"""DIMSE (PS3.7, PS3.8): the network that scanners, modalities and older archives speak."""

from lamelle.doors.dimse.settings import DimseSettings, Peer

__all__ = ["DimseSettings", "Peer"]
