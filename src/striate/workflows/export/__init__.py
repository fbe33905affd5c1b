"""`striate export RUN`: a classifier as one ONNX file that proves itself."""
