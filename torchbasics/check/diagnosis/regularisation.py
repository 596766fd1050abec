"""L2 and dropout: what goes wrong in dW = ... + lambda/m W and in dA = dA * D / keep_prob."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from torchbasics.check.diagnosis.edges import Edge, Slip, agree, coefficient
from torchbasics.check.step import Array


@dataclass(frozen=True)
class Dropout:
    """A = H * D / keep_prob."""

    D_label: str
    D: Array
    keep_prob: float


def masks(values: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """The arrays of zeros and ones, and those of zeros and 1/keep_prob, as zeros and ones."""
    for label, value in values.items():
        if value.ndim > 1 and value.any() and not value.all():
            kept = value[value != 0]
            if (kept == kept[0]).all() and kept[0] > 0:
                yield label, (value != 0) * 1.0


def recognised(H: Array, A: Array, values: Mapping[str, Array], rounding: float) -> Iterator[Dropout]:
    """The masks that take H to A."""
    for label, D in masks(values):
        if D.shape == A.shape and H.shape == A.shape:
            factor = coefficient(A, H * D)
            if factor > 0 and agree(A, factor * H * D, rounding) and not agree(A, factor * H, rounding):
                yield Dropout(label, D, 1 / factor)


def divisor(keep: float, scalars: Mapping[str, float]) -> str:
    """How the user writes / keep_prob."""
    for name, value in scalars.items():
        for text, named in ((name, value), (f"(1 - {name})", 1 - value)):
            if np.isclose(named, keep, rtol=1e-6, atol=0):
                return f"/ {text}"
    return f"/ {keep:.6g}"


def dropout_edge(H_label: str, A_label: str, dropout: Dropout, scalars: Mapping[str, float]) -> Edge:
    """The edge from H to A = H * D / keep_prob."""
    D, keep = dropout.D, dropout.keep_prob
    scaled = abs(keep - 1) > 1e-6
    over = divisor(keep, scalars)
    slash = f" {over}" if scaled else ""

    def slips() -> Iterator[Slip]:
        mask = f"the mask {dropout.D_label} is left out of {{formula}}"
        yield Slip("dropout_mask_missing", mask, lambda G: G / keep)
        if scaled:
            yield Slip("dropout_scale_missing", f"{over} is left out of {{formula}}", lambda G: G * D)
            both = f"the mask {dropout.D_label} and {over} are both left out of {{formula}}"
            yield Slip("dropout_mask_missing", both, lambda G: G)
            yield Slip(
                "dropout_scale_missing", f"{{formula}} is multiplied where it has {over}", lambda G: G * D * keep
            )
            yield Slip("dropout_scale_missing", f"{over} is there twice: {{formula}}", lambda G: G * D / keep**2)
        wrong_way = f"the mask {dropout.D_label} is the wrong way round in {{formula}}"
        yield Slip("dropout_mask_missing", wrong_way, lambda G: G * (1 - D) / keep)

    return Edge(A_label, H_label, "other", lambda G: G * D / keep, lambda G: f"{G} * {dropout.D_label}{slash}", slips)


def penalty_text(label: str, name: str, k: float, lam: float, m: int) -> str:
    """The term k W of a gradient in the notes' symbols."""
    if lam:
        for factor, text in (
            (1 / m, f"{name}/m"),
            (1.0, name),
            (2.0, f"2 {name}"),
            (2 / m, f"2 {name}/m"),
            (0.5, f"{name}/2"),
        ):
            if np.isclose(k, factor * lam, rtol=1e-5, atol=0):
                return f"{text} {label}"
    return f"{k:.4g} {label}"
