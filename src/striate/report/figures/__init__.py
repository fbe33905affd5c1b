"""Drawings of how networks work: numbers come in from `striate.figures`."""
