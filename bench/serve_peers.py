"""The other sides of `serve.py`: each library's shortest endpoint. Nothing of striate is imported.

    python bench/serve_peers.py SIDE NET WEIGHTS PORT

WEIGHTS is a state dict by the library's own names. A form with a `file` at /predict is answered with {"probabilities": [...]}.
"""

import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from fastapi import FastAPI, Request, UploadFile
from PIL import Image
from torch import nn
from torchvision.transforms import v2

try:
    from litserve import LitAPI
except ImportError:  # its side is not run then
    LitAPI = object

CLASSES = 6
Transform = Callable[[Image.Image], torch.Tensor]
TIMM_NAME = {"efficientnet_lite0": "tf_efficientnet_lite0"}


def network(name: str, weights: str) -> tuple[nn.Module, Transform]:
    """The network in eval mode, and what makes an image its input."""
    if name == "mnist_cnn":
        net: nn.Module = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, 32, 5, padding=2), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
                conv2=nn.Conv2d(32, 64, 5, padding=2), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2),
                flatten=nn.Flatten(), fc1=nn.Linear(64 * 7 * 7, 1024), relu3=nn.ReLU(), fc2=nn.Linear(1024, CLASSES),
            )
        )  # fmt: skip
        transform = v2.Compose([v2.Grayscale(), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    elif name == "resnet18":
        import torchvision

        net = torchvision.models.resnet18(num_classes=CLASSES)
        transform = v2.Compose([
            v2.ToImage(), v2.Resize(256, antialias=True), v2.CenterCrop(224), v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ])  # fmt: skip
    else:
        import timm

        net = timm.create_model(TIMM_NAME[name], num_classes=CLASSES)
        transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=net))
    net.load_state_dict(torch.load(weights, weights_only=True))
    return net.eval(), transform


def probabilities(net: nn.Module, transform: Transform, file: Any) -> list[float]:
    image = transform(Image.open(file).convert("RGB"))
    with torch.inference_mode():
        shares: list[float] = net(image[None]).softmax(1)[0].tolist()
    return shares


def with_fastapi(name: str, weights: str, port: int) -> None:
    """An endpoint as FastAPI's and PyTorch's tutorials show it; it runs in FastAPI's pool of threads."""
    import uvicorn

    net, transform = network(name, weights)
    app = FastAPI()

    @app.post("/predict")
    def predict(file: UploadFile) -> dict[str, list[float]]:
        return {"probabilities": probabilities(net, transform, file.file)}

    uvicorn.run(app, port=port, log_level="warning")


class LitClassifier(LitAPI):  # type: ignore[misc]  # at the top, since LitServe pickles it
    """One worker process, one image a pass, as are the defaults."""

    def setup(self, _device: str) -> None:
        self.net, self.transform = network(self.name, self.weights)

    def decode_request(self, request: Request) -> Any:
        return request["file"].file  # type: ignore[index]  # LitServe passes the form

    def predict(self, file: Any) -> list[float]:
        return probabilities(self.net, self.transform, file)

    def encode_response(self, shares: list[float]) -> dict[str, list[float]]:
        return {"probabilities": shares}


def with_litserve(name: str, weights: str, port: int) -> None:
    """A LitServer with its defaults, but for a time after which it gives up."""
    import litserve

    api = LitClassifier()
    api.name, api.weights = name, weights
    server = litserve.LitServer(api, accelerator="cpu", timeout=False)
    server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False)


def with_ray(name: str, weights: str, port: int) -> None:
    """A deployment with one replica, as Ray Serve's quick start has it."""
    import ray
    from ray import serve

    @serve.deployment(max_ongoing_requests=100)
    class Classifier:
        def __init__(self) -> None:
            self.net, self.transform = network(name, weights)

        async def __call__(self, request: Request) -> dict[str, list[float]]:
            form: Any = await request.form()
            return {"probabilities": probabilities(self.net, self.transform, form["file"].file)}

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(Classifier.bind(), route_prefix="/predict", blocking=True)  # type: ignore[attr-defined]


if __name__ == "__main__":
    side, net_name, state, number = sys.argv[1:]
    {"fastapi": with_fastapi, "litserve": with_litserve, "ray": with_ray}[side](net_name, state, int(number))
