"""7 USE: ask a model about files it has not seen."""
