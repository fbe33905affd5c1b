"""The workbench: from a folder of images to a tested classifier, by the commands that the pages show."""
