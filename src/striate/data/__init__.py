"""1 IMAGES: labeled images in; names, labels, splits and uint8 pixels out. Never torch."""
