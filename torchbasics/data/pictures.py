"""Any picture file as pixels: decoded by Pillow (as torchvision's own data sets are), resized by torchvision.

Legend: H height, W width, C channels (3 colour, 1 grey). torchvision's own decoder, `torchvision.io`, is deprecated and
will be removed.
"""

import struct
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from torchbasics.data.base import ImageShape
from torchbasics.errors import InputError

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp")
_EXPECTED = f"expected a picture ({', '.join(FORMATS)})"
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, Image.DecompressionBombError)


def open_picture(path: Path) -> Image.Image:
    """The decoded picture, turned the way its EXIF orientation says; of an animation, the first frame.

    Raises `InputError` for a file that is missing, empty, damaged or no picture.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; {_EXPECTED}")
        if not path.exists():
            raise InputError(f"no such file: {path}; {_EXPECTED}")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes); {_EXPECTED}")
        with Image.open(path, formats=FORMATS) as picture:
            return ImageOps.exif_transpose(picture)
    except InputError:
        raise
    except _DAMAGE as error:
        reason = "not recognised" if isinstance(error, UnidentifiedImageError) else " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as a picture ({reason}); {_EXPECTED}") from None


def pixels(picture: Image.Image, height: int, width: int, channels: int) -> UInt8[Tensor, "H W C"]:
    """The picture at height x width, stretched as the course does it (the aspect ratio is ignored), antialiased.

    What is transparent shows white. `channels` is 3 (RGB) or 1 (grey, ITU-R 601 luma); 16-bit grey becomes 8-bit.
    """
    assert channels in (1, 3)
    if picture.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip at 255 instead of scaling
        picture = Image.fromarray(np.rint(np.asarray(picture) / 257).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("RGB" if channels == 3 else "L")
    resized: Tensor = F.resize(F.pil_to_tensor(picture), [height, width], antialias=True)
    return resized.permute(1, 2, 0)


def read_picture(path: Path, image: ImageShape) -> Float64[Tensor, "n_x 1"]:
    """One example x (n_x, 1) in [0, 1] from any picture file, in the shape and the pixel order of `image`.

    Resized as by `pixels`, so that it meets a network as the training pictures did. Raises `InputError` for a file that
    cannot be read, and for an `image` that is neither colour nor grey.
    """
    if image.channels not in (1, 3):
        raise InputError(
            f"{path}: the network's images have {image.channels} channels; a picture has 3 (colour) or 1 (grey)"
        )
    x = pixels(open_picture(path), image.height, image.width, image.channels)
    return (x.to(torch.float64) / 255).reshape(-1, 1)
