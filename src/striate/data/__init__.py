"""1 IMAGES: labelled pictures in; names, labels, splits and uint8 pixels out. Never torch."""
