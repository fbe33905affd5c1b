"""What a report takes, in seconds, before there is one."""

from striate.nets.net import Net
from striate.workflows.dataset import Dataset
from striate.workflows.inspect.model_on_data import BUDGET, affordable, macs
from striate.workflows.report import image_cards, rerun_network

# Measured with a report that runs a network of almost no cost: libraries, t-SNE, figures and the page, on a quiet machine
_FIXED = 4.5
_MAP_PASSES = 4  # Grad-CAM goes back through the network too


def seconds(net: Net, dataset: Dataset, image_seconds: float, slowness: float, frozen: bool = False) -> float:
    """What the report of a training takes, where a forward pass takes so long for an image and fixed work is so slow.

    Of a frozen body the features are known, and its filters are not judged.
    """
    parts, most = dataset.parts, affordable(net)
    val, cards = len(parts.val_M), min(2 * rerun_network.SHOWN, len(parts.test_M) or len(parts.val_M))
    tested = min(cards, int(BUDGET / 4 / max(1, macs(net)) / image_cards.PASSES))
    passes = 0 if frozen else min(most, len(parts.train_M)) + min(most, val) + min(250, val)
    passes += cards * (1 + _MAP_PASSES) + tested * image_cards.PASSES
    return slowness * _FIXED + passes * image_seconds
