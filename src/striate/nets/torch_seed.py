"""The seed of what torch itself draws: first weights and dropout."""

import torch


def seed_torch(seed: int, device: torch.device | None = None) -> None:
    """Let what torch draws on the processor, and on `device`, follow from the seed.

    `torch.manual_seed` seeds every kind of device, and for each that no program has used it formats the stack of its callers,
    which takes longer than a step of a small network.
    """
    if device is None or device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
