"""What a training says of imbalance, weak classes, over- and underfitting: planted cases that were silent once.

    python bench/imbalance.py

Each case is a training on the digits that come with striate, some classes thinned out, some labels drawn at random. Printed are
the score, what stands beside it, and every sentence of the verdict; a case is silent where no finding names it. A minute.
"""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

import striate


class Case(NamedTuple):
    """Images with labels, and how they are trained."""

    name: str
    images_NHW: NDArray[np.uint8]
    labels_N: NDArray[np.int64]
    epochs: int
    settings: dict[str, Any]
    words: str  # that the verdict must have


def cases() -> list[Case]:
    """An accuracy that hides a class, classes never predicted, over- and underfitting."""
    flat, labels_N = load_digits(return_X_y=True)
    images_NHW = (flat.reshape(-1, 8, 8) * (255 / 16)).round().astype(np.uint8)
    rng = np.random.default_rng(0)

    def thinned(counts: dict[int, int]) -> NDArray[np.int64]:
        return np.concatenate([np.flatnonzero(labels_N == k)[:count] for k, count in counts.items()])

    # twelve zeros among 1,200 digits: one class against all others
    one = np.concatenate([np.flatnonzero(labels_N == 0)[:12], np.flatnonzero(labels_N != 0)[:1188]])
    six = thinned({**dict.fromkeys(range(4), 150), **dict.fromkeys(range(4, 10), 5)})
    drawn_N = rng.permutation(labels_N)
    slow = {"train": {"lr": 1e-5}}
    return [
        Case("99:1", images_NHW[one], np.minimum(labels_N[one], 1), 3, {"train": {"lr": 1e-4}}, "never predicted"),
        Case("four classes of 150 and six of 5", images_NHW[six], labels_N[six], 2, {}, "never predicted"),
        Case("labels drawn at random", images_NHW, drawn_N, 60, {}, "overfit"),
        Case("a learning rate of 0.00001", images_NHW, labels_N, 1, slow, "underfit"),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for case in cases():
            settings: dict[str, Any] = {"net": {"name": "mlp"}, **case.settings}
            result = striate.train(
                case.images_NHW, labels=case.labels_N, epochs=case.epochs, out=Path(folder), settings=settings
            )
            beside, sentences = result["class_scores"], [row["sentence"] for row in result["trust"]["findings"]]
            print(f"{case.name}: accuracy {result['test']['accuracy']:.3f}, majority {beside['majority']:.3f}, ", end="")
            print(f"balanced accuracy {beside['balanced_accuracy']:.3f}, macro F1 {beside['macro_f1']:.3f}")
            print("".join(f"  {sentence}\n" for sentence in sentences), end="")
            print("  found" if any(case.words in sentence for sentence in sentences) else "  SILENT")


if __name__ == "__main__":
    main()
