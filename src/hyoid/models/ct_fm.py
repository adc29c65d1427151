"""CT-FM (Pai et al., arXiv 2501.09001): a frozen encoder of whole CTs, with a small classifier on its embedding."""

from __future__ import annotations

from collections.abc import Mapping

from monai.networks.nets.segresnet_ds import SegResEncoder
from torch import Tensor, nn

EMBEDDING = 512


class CTFMClassifier(nn.Module):
    """Mean of the deepest features of the frozen encoder, then a perceptron: the CT-FM row of SGRNet's Table 1.

    The published encoder has 32 features at the finest of five levels and batch normalisation, whose statistics stay
    those of its pre-training. Its weights come from `load_encoder`; without them the encoder is random.

    Parameters
    ----------
    outputs : int
        Labels N.
    hidden : int
        Width of the perceptron.
    init_filters : int
        Features of the finest level; 32 is CT-FM.
    """

    def __init__(self, outputs: int, hidden: int = 64, init_filters: int = 32) -> None:
        super().__init__()
        self.encoder = SegResEncoder(
            spatial_dims=3, in_channels=1, init_filters=init_filters, blocks_down=(1, 2, 2, 4, 4)
        )
        self.encoder.requires_grad_(False)
        embedding = init_filters * EMBEDDING // 32
        self.classifier = nn.Sequential(
            nn.Linear(embedding, hidden), nn.ReLU(), nn.Dropout(0.2), nn.Linear(hidden, outputs)
        )

    def train(self, mode: bool = True) -> CTFMClassifier:
        """Let only the classifier learn; the encoder's normalisation stays as it is."""
        super().train(mode)
        self.encoder.eval()
        return self

    def embedding(self, ct: Tensor) -> Tensor:
        """Compute features (B, 512) of (B, 1, D, H, W) with HU scaled from -1024..2048 to 0..1."""
        return self.encoder(ct)[-1].mean(dim=(2, 3, 4))

    def forward(self, ct: Tensor, organs: Tensor, heatmap: Tensor) -> Tensor:
        """Compute the logits (B, N); the priors are taken and ignored."""
        return self.classifier(self.embedding(ct))


def load_encoder(network: CTFMClassifier, weights: Mapping[str, Tensor]) -> None:
    """Put published weights into the encoder.

    Parameters
    ----------
    network : CTFMClassifier
        Network whose encoder takes the weights.
    weights : mapping of str to Tensor
        By the names of the encoder alone, or of a whole SegResNet (`encoder.` before them).

    Raises
    ------
    ValueError
        When names or shapes are not those of the encoder.
    """
    prefix = "encoder."
    if any(name.startswith(prefix) for name in weights):
        weights = {name.removeprefix(prefix): t for name, t in weights.items() if name.startswith(prefix)}
    expected = network.encoder.state_dict()
    # A counter of batches that inference does not use; not every file has it.
    missing = {n for n in expected if not n.endswith("num_batches_tracked")} - set(weights)
    if missing or set(weights) - set(expected):
        raise ValueError(f"{len(missing)} weights are missing, {len(set(weights) - set(expected))} are unknown.")
    for name, tensor in weights.items():
        if tensor.shape != expected[name].shape:
            raise ValueError(f"{name} has the shape {tuple(tensor.shape)}, not {tuple(expected[name].shape)}.")
    network.encoder.load_state_dict(weights, strict=False)
