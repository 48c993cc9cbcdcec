"""How the models of an inference server are named, and which of their versions belongs to gifcue's model."""

from __future__ import annotations

from dataclasses import dataclass

NETWORKS = ("detector", "face", "hand")
INPUT = "image"
# Pictures in one call at most; `max_batch_size` of the models.
MAX_BATCH = 32
# Hexadecimal digits of a digest that make a version: Triton reads versions as 64-bit integers.
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Models:
    """The three models that stand for one model of gifcue.

    The version is made of the digest of the model's description. A server that was given another model has no such
    version, so results of two models never mix, and a server may hold several versions while models are exchanged.
    """

    prefix: str
    version: str

    @classmethod
    def of(cls, prefix: str, sha256: str) -> Models:
        """Those of the model with this digest (`ServedModel.sha256`)."""
        return cls(prefix, version_of(sha256))

    def name(self, network: str) -> str:
        """The model that runs a network."""
        return f"{self.prefix}_{network}"


def version_of(sha256: str) -> str:
    """The version of a model, a decimal number above 0, from its digest."""
    return str(int(sha256[:_DIGITS], 16) + 1)
