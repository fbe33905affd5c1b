"""Another confidence for a model on the disk: threshold and sets that were chosen after its training.

Besides model.json only the card of the model changes, which says what they promise.
"""

import json
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from striate.base import files, model_card, run_folder, run_record
from striate.metrics.confidence import Confidence


def keep(run: str | Path, confidence: Confidence) -> Path:
    """Write the confidence into the model of a run, or into a model's folder, which is replaced as a whole; that folder.

    The digest is in the record of the run before the model is replaced, so a crash at any instant leaves what agrees.
    """
    folder = run_folder.model_folder(run)
    files.verify(folder)
    home = folder.parent if _is_of_run(folder) else None
    with nullcontext() if home is None else files.lock(home):
        contents = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.name != files.MANIFEST}
        described = {**json.loads(contents["model.json"]), "confidence": asdict(confidence)}
        contents["model.json"] = json.dumps(described, indent=1, allow_nan=False).encode()
        if model_card.FILE in contents:
            card = contents[model_card.FILE].decode()
            contents[model_card.FILE] = model_card.with_answers(card, describe(confidence)).encode()
        if home is not None:
            run_record.expect(home, {run_record.MODEL: files.manifest_of(contents).encode()})
        files.write_folder(folder, contents)
        if home is not None:
            run_record.add_model(home)
    return folder


def describe(confidence: Confidence) -> list[str]:
    """What threshold and sets promise, as sentences."""
    sentences = []
    if confidence.threshold is not None:
        sentences.append(f"Below a probability of {confidence.threshold:.4f} it abstains.")
        if confidence.max_error is not None and confidence.level is not None:
            sentences[0] += (
                f" With {100 * confidence.level:g} % confidence at most {100 * confidence.max_error:g} % of its answers to new "
                "images are wrong, where these are like the images that chose the threshold, which are none of training and "
                "validation."
            )
    if confidence.set_threshold is not None and confidence.coverage is not None:
        sentences.append(
            f"Its sets of classes have the true class for {100 * confidence.coverage:g} % of new images like these: each class "
            f"with a probability of at least {confidence.set_threshold:.4f}, and always the most probable one."
        )
    return sentences


def _is_of_run(folder: Path) -> bool:
    """Whether the record of a run has this folder as its model."""
    record = folder.parent / run_record.RECORD
    return folder.name == "model" and record.is_file() and run_record.MODEL in run_record.read(folder.parent).sha256
