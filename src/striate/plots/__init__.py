"""The report and all drawing: numbers and arrays come in, images and pages go out."""
