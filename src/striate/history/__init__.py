"""What came before back-propagation took over, one file each, with its learning beside its structure."""
