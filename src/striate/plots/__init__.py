"""The report and all drawing: numbers and arrays come in, pictures and pages go out."""
