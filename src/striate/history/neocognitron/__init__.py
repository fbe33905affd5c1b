"""The neocognitron -- Fukushima 1980 and 1988: simple and complex cells in turn, which learn without back-propagation.

- `layers`: the cells, S, V and C, and their equations
- `net`: the tables of 1980 and 1988, and the network
- `strokes`: lines and curves drawn as pixels
- `digits`: the digits that teach and those that test
- `features`: what the teacher shows the stages below the digits
- `teacher`: 1988, learning with a teacher, layer by layer
- `winners`: 1980, learning without one: the winner takes all
- `growing`: later, a new plane where all are silent, for the handwritten digits of MNIST
"""
