"""The neocognitron -- Fukushima 1980 and 1988: simple and complex cells in turn, which learn without back-propagation.

    layers.py     the cells: S, V and C, their equations
    net.py        the tables of 1980 and 1988, and the network
    strokes.py    lines and curves drawn as pixels
    digits.py     the digits that teach and those that test
    features.py   what the teacher shows the second and the third stage
    teacher.py    1988: learning with a teacher, layer by layer
    winners.py    1980: learning without one, the winner takes all
    growing.py    later: a new plane where all are silent, for the handwritten digits of MNIST
"""
