"""Proof that nothing acknowledged is lost: nodes that are killed, power that is cut, disks that fail."""
