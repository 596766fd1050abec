"""Real data that scikit-learn brings along: nothing to download.

Legend: m examples, n_x inputs. Both sets are split 80/20 into train and test, stratified, by the seed.
"""

from collections.abc import Callable

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits

from torchbasics.data.base import Data, ImageShape, Split
from torchbasics.data.split import stratified

TEST_FRACTION = 0.2


def digits(dtype: torch.dtype, seed: int) -> Data:
    """1,797 handwritten digits, 8x8x1: "is the digit even?" X = pixels / 16, in [0, 1]; Y = 1 for 0, 2, 4, 6 and 8.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, through `sklearn.datasets.load_digits`.
    """
    pixels, digit = load_digits(return_X_y=True)
    even = (digit % 2 == 0).astype(np.int64)
    train, test = stratified("digits", even, TEST_FRACTION, seed)
    return Data(
        name="digits",
        train=Split.from_rows(pixels[train] / 16, even[train], dtype),
        test=Split.from_rows(pixels[test] / 16, even[test], dtype),
        classes=("odd", "even"),
        image=ImageShape(8, 8, 1),
        pixel_scale=16.0,
    )


def breast_cancer(dtype: torch.dtype, seed: int) -> Data:
    """569 biopsies with n_x = 30 measurements of their cell nuclei; Y = 1 for malignant.

    Each input is standardised, (x - mu) / sigma, with the mean and standard deviation of the *training* examples, which
    are all that a network in use would know. scikit-learn's own labels are the other way round (1 = benign); here, as
    in the notes, 1 is what one looks for.

    Source: Wolberg, Street and Mangasarian, Breast Cancer Wisconsin (Diagnostic), UCI, through
    `sklearn.datasets.load_breast_cancer`.
    """
    measurements, benign = load_breast_cancer(return_X_y=True)
    malignant = 1 - benign
    train, test = stratified("breast-cancer", malignant, TEST_FRACTION, seed)
    mu, sigma = measurements[train].mean(axis=0), measurements[train].std(axis=0)
    standardised = (measurements - mu) / sigma
    return Data(
        name="breast-cancer",
        train=Split.from_rows(standardised[train], malignant[train], dtype),
        test=Split.from_rows(standardised[test], malignant[test], dtype),
        classes=("benign", "malignant"),
        image=None,
        pixel_scale=1.0,
    )


def ten_digits(dtype: torch.dtype, seed: int) -> Data:
    """The same 1,797 digits with Y = 0, 1, ..., 9: which digit is it?"""
    pixels, digit = load_digits(return_X_y=True)
    train, test = stratified("ten-digits", digit, TEST_FRACTION, seed)
    return Data(
        name="ten-digits",
        train=Split.from_rows(pixels[train] / 16, digit[train], dtype),
        test=Split.from_rows(pixels[test] / 16, digit[test], dtype),
        classes=tuple("0123456789"),
        image=ImageShape(8, 8, 1),
        pixel_scale=16.0,
    )


def digit_sums(dtype: torch.dtype, seed: int) -> Data:
    """The same digits, each beside a number k from 0 to 9: "is digit + k even?" Neither alone says anything about it.

    X has the 64 pixels / 16 and below them k as one 1 among ten inputs. k is drawn by the seed, and Y known with it.
    """
    pixels, digit = load_digits(return_X_y=True)
    k = np.random.default_rng(seed).integers(10, size=len(digit))
    rows = np.hstack([pixels / 16, np.eye(10)[k]])
    even = ((digit + k) % 2 == 0).astype(np.int64)
    train, test = stratified("digit-sums", even, TEST_FRACTION, seed)
    return Data(
        name="digit-sums",
        train=Split.from_rows(rows[train], even[train], dtype),
        test=Split.from_rows(rows[test], even[test], dtype),
        classes=("odd", "even"),
        image=ImageShape(8, 8, 1),
        pixel_scale=16.0,
        structured=10,
    )


BUILTIN: dict[str, Callable[[torch.dtype, int], Data]] = {
    "digits": digits,
    "ten-digits": ten_digits,
    "digit-sums": digit_sums,
    "breast-cancer": breast_cancer,
}
