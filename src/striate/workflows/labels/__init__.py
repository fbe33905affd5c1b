"""`striate labels`: which labels are probably wrong."""
