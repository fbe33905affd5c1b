"""The answers of the API, as /openapi.json describes them."""

from typing import Any

from pydantic import BaseModel, Field


class Failure(BaseModel):
    """Why a request was refused."""

    error: str


class ModelId(BaseModel):
    """The model that answered."""

    name: str
    sha256: str


class InputSize(BaseModel):
    """What images are brought to."""

    size_px: int
    channels: int
    resize_mode: str


class ModelFacts(BaseModel):
    """The model."""

    name: str
    sha256: str = Field(description="of the manifest of the model's files")
    net: str
    classes: list[str]
    license: str
    precision: str = Field(description="of convolutions and matrix products: fp32 or bf16; of an ONNX file also int8 or fp16")
    threshold: float | None
    coverage: float | None
    abstains: bool
    flags_unknown: bool
    several_labels: bool
    embedding_size: int
    input: InputSize


class Predictions(BaseModel):
    """One row for each file, as `striate predict --json` prints them."""

    model: ModelId
    predictions: list[dict[str, Any]]


class Embedding(BaseModel):
    """What the head of the network is given for a file, or why it cannot be decoded."""

    path: str
    embedding: list[float] | None = None
    error: str | None = None


class Embeddings(BaseModel):
    """One row for each file."""

    model: ModelId
    embeddings: list[Embedding]


class Unreadable(BaseModel):
    """No file of the request can be decoded: a reason for each."""

    error: str
    files: list[dict[str, str]]


class Status(BaseModel):
    """Whether the server lives, or takes requests."""

    status: str
