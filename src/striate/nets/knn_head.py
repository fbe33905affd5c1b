"""A k-nearest-neighbors head: a last layer that classifies by the stored images nearest to an image (Cover & Hart 1967).

Nothing in it is trained; `training.transfer.knn` fills it.

Legend: N images, M stored images, D features, K classes, k neighbors.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_RANK = 0.01  # of a vote; the ranks of 25 neighbors are 0.04 together


class KNNHead(nn.Module):
    """Each of the k nearest stored images has one vote; the logits are logs of the classes' shares of the votes.

    A share is (votes + 1 / K) / (k + 1), so that no class has none (Laplace), and `scale` times its log is the logit. Among
    classes with as many votes the nearer neighbors decide; of images equally near the earlier ones are the neighbors.

    The head stores `memory` images, at least k; each row of features is divided by its length, or else standardized.
    """

    bank_MD: Tensor  # features of the stored images, standardized or of length one
    labels_M: Tensor  # their classes
    shift_D: Tensor  # subtracted from features that are standardized
    factor_D: Tensor  # multiplies these then
    scale: Tensor  # of the logits

    def __init__(self, in_features: int, num_classes: int, memory: int, k: int, unit_features: bool = False) -> None:
        super().__init__()
        self.in_features, self.out_features, self.k, self.unit_features = in_features, num_classes, k, unit_features
        self.register_buffer("bank_MD", torch.zeros(memory, in_features))
        self.register_buffer("labels_M", torch.zeros(memory, dtype=torch.int64))
        if not unit_features:
            self.register_buffer("shift_D", torch.zeros(in_features))
            self.register_buffer("factor_D", torch.ones(in_features))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, features_ND: Tensor) -> Tensor:
        """Logits, N x K; nan where a feature of the image is not finite.

        Distances are differences of large numbers, so they are computed in float32 where the rest of the network is not.
        """
        device = features_ND.device.type
        if features_ND.is_meta or not torch.is_autocast_enabled(device):
            return self._logits(features_ND)
        with torch.autocast(device, enabled=False):
            return self._logits(features_ND.to(self.bank_MD.dtype))

    def _logits(self, features_ND: Tensor) -> Tensor:
        if self.unit_features:
            ready_ND = functional.normalize(features_ND, dim=1, eps=1e-12)
        else:
            ready_ND = (features_ND - self.shift_D) * self.factor_D
        near_Nk = nearest(gaps(ready_ND, self.bank_MD), self.k)
        votes_NK = votes(self.labels_M[near_Nk], self.out_features)
        logits_NK = self.scale * torch.log((votes_NK + 1 / self.out_features) / (self.k + 1))
        # Else an image of NaN would get a prediction like any other
        return logits_NK + 0 * ready_ND.sum(dim=1, keepdim=True)

    def multiply_adds(self, _output: object) -> int:
        """One product for each stored image and feature."""
        return self.bank_MD.numel()

    def extra_repr(self) -> str:
        """The arguments of the constructor."""
        return f"{self.in_features}, {self.out_features}, {len(self.bank_MD)}, {self.k}, unit_features={self.unit_features}"


def gaps(ready_ND: Tensor, bank_MD: Tensor) -> Tensor:
    """N x M, in the order of the Euclidean distances: half of their squares, without the term that a row shares."""
    lengths_M: Tensor = torch.linalg.vector_norm(bank_MD, dim=1)
    return lengths_M.square() / 2 - ready_ND @ bank_MD.T


def nearest(gaps_NM: Tensor, k: int) -> Tensor:
    """Columns of the k smallest values of each row, N x k, the smallest first; of equal ones the earlier.

    topk makes no promise about equal values, so it gets values that differ: positions, which float32 has exactly up to 2^24.
    """
    count = gaps_NM.shape[1]
    limit_N1 = gaps_NM.topk(k, dim=1, largest=False).values[:, -1:]
    early_M = torch.arange(count, 0, -1, device=gaps_NM.device, dtype=torch.float32)
    at_limit_NM = torch.where(gaps_NM == limit_N1, early_M, 0.0)
    columns_Nk = torch.where(gaps_NM < limit_N1, early_M + count, at_limit_NM).topk(k, dim=1).indices
    own_Nk1 = gaps_NM.gather(1, columns_Nk).unsqueeze(2)
    other_N1k, rank_k = own_Nk1.transpose(1, 2), torch.arange(k, device=gaps_NM.device)
    before_Nkk = (other_N1k < own_Nk1) | ((other_N1k == own_Nk1) & (rank_k < rank_k.unsqueeze(1)))
    order_Nk = before_Nkk.sum(dim=2).to(torch.float32).topk(k, dim=1, largest=False).indices
    return columns_Nk.gather(1, order_Nk)


def votes(labels_Nk: Tensor, classes: int) -> Tensor:
    """How many of each row have each class, N x K; the r-th adds a hundredth / r to its vote."""
    ranks_k = torch.arange(1, labels_Nk.shape[1] + 1, device=labels_Nk.device, dtype=torch.float32)
    is_NkK = labels_Nk.unsqueeze(2) == torch.arange(classes, device=labels_Nk.device)
    return torch.where(is_NkK, (1 + _RANK / ranks_k).unsqueeze(1), 0.0).sum(dim=1)
