"""striate's networks as scikit-learn estimators, for pipelines, cross-validation and grid search."""

from striate.sklearn.classifier import ConvNetClassifier as ConvNetClassifier
from striate.sklearn.embedder import Embedder as Embedder
