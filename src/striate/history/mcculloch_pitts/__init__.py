"""McCulloch & Pitts 1943: networks of threshold units."""
