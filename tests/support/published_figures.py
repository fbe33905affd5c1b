"""Figures that a document quotes, which none of its commands prints: from where they are, or how they are computed."""

from math import log

_ALEXNET = "Krizhevsky, Sutskever & Hinton 2012, table 2 and section 6"
_WEIGHTS = "src/striate/weights/resnet20-cifar10/README.md"
_LOADER = "the TensorFlow loader of the textbook"
_LOG = "docs/log.md"
_PHOTOS = "the command beside it, with all 120 photos of the quickstart"
_RULE = "src/striate/workflows/finetune/start.py"
_TABLE = "the command beside it, in billions"
_TANH = "striate train digits --epochs 2, without and with --set net.activation=tanh"
_TWENTY = "docs/how-to/few-images.md"
_TRASHNET = "Yang & Thung 2016, of which 70 photographs of each class"
_TURNED = "the command beside it, which takes minutes"

# By document: figure -> source, or the value that it rounds; another document has it, or its hundredth for a percentage
PUBLISHED: dict[str, dict[str, str | float]] = {
    "docs/tutorials/story.md": {
        "11": "docs/history/mcculloch_pitts.md", "16": "docs/history/mcculloch_pitts.md", "0110": "the command beside it",
        "01101001": "the command beside it", "1.5": "docs/history/cells.md", "5.5": "docs/history/cells.md",
        "1e-18": "striate history optimal_control", "192.81": "docs/history/optimal_control.md",
        "192.74": "docs/history/optimal_control.md", "89.69": "docs/history/gmdh.md", "359": "docs/history/gmdh.md",
        "25": "docs/history/neocognitron.md", "200": "docs/history/neocognitron.md", "96.66": "striate history timeline",
        "96.78": "docs/history/neocognitron.md", "10,000": "MNIST's test images", "3,072": "docs/history/convolution.md",
        "120,000": "docs/history/convolution.md", "34,944": "docs/history/convolution.md",
        "105,705,600": "docs/history/convolution.md", "76": "docs/history/convolution.md",
        "32": "the size of the textbook's example", "51": 111 - 60, "64": 8 * 8, "15": "Martens 2010", "20": "the exercise",
        "95": "the level of the interval", "180": "half a turn", "90": "a quarter of a turn", "36": _TURNED, "98.33": _TURNED,
        "224": _ALEXNET, "16.4": _ALEXNET, "18.2": _ALEXNET, "15.3": _ALEXNET, "0.85": 0.4 + 0.3 * 1.5,
        "1.62": 0.3 * 0.4 + 1.5, "0.02": "the program beside it", "1000": "the exercise",
        "0.325": -0.9 * log(0.9) - 0.1 * log(0.1), "0.693": -log(0.5), "1.204": -0.5 * log(0.9) - 0.5 * log(0.1),
        "99.44": _TURNED, "19": _TURNED, "251": _TURNED, "60,000": "MNIST's training images", "97.07": _LOG, "96.72": _LOG,
        "97.38": _LOG, "1,451": _LOG, "99.13": _LOG, "97.33": "TensorFlow's tutorial", "0.4": "TensorFlow's tutorial",
        "55,000": _LOADER, "20,000": _LOADER, "100": _LOADER, "36.4": 20_000 * 100 / 55_000, "95.83": _PHOTOS,
        "86.20": _PHOTOS, "79.76": _PHOTOS, "99.26": _PHOTOS, "54.17": _PHOTOS, "87.50": _PHOTOS, "0.0078": _PHOTOS,
        "24": _PHOTOS, "77.16": _TURNED, "71.59": _TURNED, "0.013": _TURNED, "80": _TURNED, "97.77": _TURNED, "92.20": _TURNED,
        "1,797": "the embedded digits", "0.72": _TABLE, "15.5": _TABLE, "19.6": _TABLE, "1.58": _TABLE, "11.5": _TABLE,
        "7.32": "Simonyan & Zisserman 2015", "6.67": "Szegedy et al. 2014, table 2", "4.49": "He et al. 2015, table 4",
        "3.57": "He et al. 2015, table 5", "1,025,000": (1024 + 1) * 1000, "152": "He et al. 2015",
        "133": "striate nets vgg11, in millions", "1,202": "He et al. 2015, section 4.2",
        "1,000": "relu_against_tanh.IMAGES", "1.38": _TANH, "1.24": _TANH, "0.51": _TANH, "0.54": _TANH, "59.38": _TWENTY,
        "62.50": _TWENTY,
        "160": _TWENTY, "75": _TWENTY,
        "123,642,856": 102_764_544 + 16_781_312 + 4_097_000,
    },
    "docs/how-to/small-weights.md": {},
    "docs/how-to/which-start.md": {
        "40": _RULE, "5,000": _RULE, "288": _RULE, "2,024": 40 + 80 + 112 + 192 + 320 + 1280, "512": _TRASHNET,
        "384": _TRASHNET, "420": _TRASHNET, "294": _TRASHNET, "42": _TRASHNET, "84": _TRASHNET,
        "95": "the level of the interval", "224": "striate nets efficientnet_lite0", "32": "the size of CIFAR-10's images",
        "300": "bench/small_images.py", "100": "bench/small_images.py", "2,000": "bench/small_images.py",
        "10": "the name of CIFAR-10",
    },
    "docs/explanation/score.md": {
        "95": "the level of the interval", "24": "the quickstart", "86.20": 100 * 24 / (24 + 1.959964**2), "100": 100.0,
        "0.8": "the example", "19": "19 of 20 are 95 %", "20": "19 of 20 are 95 %", "89.64": _WEIGHTS, "5,000": _WEIGHTS,
        "88.76": _WEIGHTS, "90.45": _WEIGHTS,
    },
}  # fmt: skip
# Figures of trainings, with what stands around them in the output
TRAINED = {
    "docs/tutorials/story.md": {
        "23": r"conv1: (\d+) of 32 filters are indistinguishable", "321": r"fc1: (\d+) of 1024 filters are dead",
        "179": r"looked at (\d+) validation images", "96.94": r"^accuracy ([\d.]+) %",
        "94.60": r"^accuracy .*interval ([\d.]+) % to", "98.28": r"^accuracy .* % to ([\d.]+) %",
    },
    "docs/how-to/small-weights.md": {
        "15.9": r"fc1 .*?0\.0% → ([\d.]+)%", "17.2": r"fc2 .*?0\.0% → ([\d.]+)%", "3.6": r"fc3 .*?0\.0% → ([\d.]+)%",
        "98.05": r"test accuracy ([\d.]+) %", "98.33": r"test accuracy ([\d.]+) %",
    },
}  # fmt: skip
