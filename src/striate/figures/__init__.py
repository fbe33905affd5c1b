"""Figures of how networks work, each computed by the layers, penalties and norms that striate trains with: `striate figure`."""
