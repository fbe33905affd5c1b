"""One command each: the first function of a file is the public one, which `striate.NAME` gives."""
