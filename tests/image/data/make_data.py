#!/usr/bin/python3
"""Writes the test images and the expected results of this folder with PIL as the oracle.

Run it in this folder after changing a case; needs python3-pil 9.4 and python3-numpy. Inputs of the
resize and operation cases are computed (see test_images.h), so only hashes are stored.
"""
import io
import random
import struct
import zlib

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

FILTERS = {
    "nearest": Image.NEAREST, "box": Image.BOX, "bilinear": Image.BILINEAR,
    "hamming": Image.HAMMING, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS,
}


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in bytes(data):
        value = ((value ^ byte) * 0x100000001B3) & (2**64 - 1)
    return f"{value:016x}"


def noise(count, seed):
    state, out = seed, bytearray()
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        out.append(state >> 56)
    return out


def synthetic(width, height, channels, seed):
    """Noise for odd seeds, ramps with a little noise for even ones."""
    data = np.frombuffer(bytes(noise(width * height * channels, seed)), np.uint8)
    data = data.reshape(height, width, channels)
    if seed % 2 == 0:
        y, x, c = np.mgrid[0:height, 0:width, 0:channels]
        data = ((3 * x + 5 * y + 40 * c + (data & 15)) & 255).astype(np.uint8)
    return Image.fromarray(data[..., 0] if channels == 1 else data)


def write_resize():
    random.seed(1)
    lines = []
    sizes = [(24, 18, 9, 7), (9, 7, 24, 18), (31, 17, 31, 5), (31, 17, 8, 17), (64, 48, 21, 40),
             (1, 1, 5, 3), (50, 3, 1, 1), (37, 29, 36, 30), (100, 80, 3, 2), (5, 90, 70, 60)]
    for name, pil_filter in FILTERS.items():
        for index, (w, h, ow, oh) in enumerate(sizes):
            channels = (1, 3, 4)[index % 3]
            for with_box in (False, True):
                seed = random.randrange(1, 10**6)
                box = (0.0, 0.0, float(w), float(h))
                if with_box:
                    xs = sorted(random.randrange(4 * w + 1) / 4 for _ in range(2))
                    ys = sorted(random.randrange(4 * h + 1) / 4 for _ in range(2))
                    if xs[0] == xs[1] or ys[0] == ys[1]:
                        continue
                    box = (xs[0], ys[0], xs[1], ys[1])
                out = synthetic(w, h, channels, seed).resize((ow, oh), pil_filter, box)
                lines.append(f"{name} {w} {h} {channels} {seed} {ow} {oh} "
                             f"{box[0]} {box[1]} {box[2]} {box[3]} {fnv(out.tobytes())}")
    open("resize.txt", "w").write("\n".join(lines) + "\n")


def solarize_add(image, addend):
    table = [min(255, i + addend) if i < 128 else i for i in range(256)]
    return image.point(table * len(image.getbands()))


def hue(image, shift):
    if image.mode == "L":
        return image
    h, s, v = image.convert("HSV").split()
    turned = (np.asarray(h).astype(int) + int(shift * 255)) % 256
    return Image.merge("HSV", (Image.fromarray(turned.astype(np.uint8)), s, v)).convert("RGB")


POINT_OPS = {
    "invert": (lambda i, v: ImageOps.invert(i), [0]),
    "autocontrast": (lambda i, v: ImageOps.autocontrast(i), [0]),
    "equalize": (lambda i, v: ImageOps.equalize(i), [0]),
    "posterize": (lambda i, v: ImageOps.posterize(i, int(v)), [1, 4, 8]),
    "solarize": (lambda i, v: ImageOps.solarize(i, int(v)), [0, 100, 256]),
    "solarize_add": (lambda i, v: solarize_add(i, int(v)), [0, 60, 110]),
    "grayscale": (lambda i, v: i.convert("L").convert(i.mode), [0]),
    "brightness": (lambda i, v: ImageEnhance.Brightness(i).enhance(v), [0, 0.3, 1, 1.7]),
    "contrast": (lambda i, v: ImageEnhance.Contrast(i).enhance(v), [0, 0.3, 1, 1.7]),
    "color": (lambda i, v: ImageEnhance.Color(i).enhance(v), [0, 0.3, 1, 1.7]),
    "sharpness": (lambda i, v: ImageEnhance.Sharpness(i).enhance(v), [0, 0.3, 1, 1.7]),
    "hue": (hue, [-0.5, -0.1, 0, 0.25]),
    "gaussian_blur": (lambda i, v: i.filter(ImageFilter.GaussianBlur(v)), [0, 0.1, 1.3, 2, 9.5]),
}

FILL = (124, 116, 104)


def transformed(image, matrix, pil_filter):
    fill = FILL if image.mode == "RGB" else FILL[0]
    return image.transform(image.size, Image.AFFINE, matrix, pil_filter, fillcolor=fill)


GEOMETRY_OPS = {
    "rotate": (lambda i, v, f: i.rotate(v, f, fillcolor=FILL if i.mode == "RGB" else FILL[0]),
               [0, 13.7, -29, 90, 180, 270, 400]),
    "shear_x": (lambda i, v, f: transformed(i, (1, v, 0, 0, 1, 0), f), [0.27, -0.1]),
    "shear_y": (lambda i, v, f: transformed(i, (1, 0, 0, v, 1, 0), f), [0.27, -0.1]),
    "translate_x": (lambda i, v, f: transformed(i, (1, 0, v, 0, 1, 0), f), [5, -3.3, 99]),
    "translate_y": (lambda i, v, f: transformed(i, (1, 0, 0, 0, 1, v), f), [5, -3.3, 99]),
}


def write_ops():
    random.seed(2)
    lines = []
    sizes = [(19, 14, 3), (23, 23, 3), (16, 9, 1), (2, 1, 3)]
    for name, (op, values) in POINT_OPS.items():
        for value in values:
            for w, h, c in sizes:
                seed = random.randrange(1, 10**6)
                out = op(synthetic(w, h, c, seed), value)
                lines.append(f"{name} - {w} {h} {c} {seed} {value} {fnv(out.tobytes())}")
    for name, (op, values) in GEOMETRY_OPS.items():
        for value in values:
            for kind in ("nearest", "bilinear", "bicubic"):
                w, h, c = random.choice(sizes[:3])
                seed = random.randrange(1, 10**6)
                out = op(synthetic(w, h, c, seed), value, FILTERS[kind])
                lines.append(f"{name} {kind} {w} {h} {c} {seed} {value} {fnv(out.tobytes())}")
    open("ops.txt", "w").write("\n".join(lines) + "\n")


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(
        ">I", zlib.crc32(kind + data))


def png(samples, depth, colour, interlaced=False, before_data=b""):
    """Any PNG: `samples` is [height, width, channels] in units of the depth."""
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                  (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b""
    for x, y, dx, dy in passes:
        part = samples[y::dy, x::dx]
        if part.size == 0:
            continue
        for row in part:
            bits = "".join(f"{int(v):0{depth}b}" for v in row.ravel())
            bits += "0" * (-len(bits) % 8)
            raw += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + before_data +
            png_chunk(b"IDAT", zlib.compress(raw, 9)) + png_chunk(b"IEND", b""))


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png_files():
    """(name, bytes, expected [height, width, channels])"""
    rng = np.random.default_rng(3)
    high = lambda a, depth: (a.astype(int) >> 8 if depth == 16 else a * (255 // (2**depth - 1)))
    for depth in (1, 2, 4, 8, 16):
        gray = rng.integers(0, 2**depth, (7, 13, 1))
        yield f"gray{depth}.png", png(gray, depth, 0, interlaced=depth == 4), high(gray, depth)
    key = gray[0, 0, 0]
    opaque = np.where(gray == key, 0, 255)
    yield ("gray16_key.png", png(gray, 16, 0, before_data=png_chunk(b"tRNS", struct.pack(">H", key))),
           np.concatenate([high(gray, 16)] * 3 + [opaque], -1))
    for depth in (8, 16):
        for colour, channels in ((2, 3), (4, 2), (6, 4)):
            a = rng.integers(0, 2**depth, (5, 6, channels))
            expected = high(a, depth) if depth == 16 else a
            if colour == 4:
                expected = np.concatenate([expected[..., :1]] * 3 + [expected[..., 1:]], -1)
            yield (f"colour{colour}_{depth}.png",
                   png(a, depth, colour, interlaced=(depth, colour) == (8, 2)), expected)
    for depth in (1, 2, 4, 8):
        colours = rng.integers(0, 256, (min(2**depth, 20), 3))
        index = rng.integers(0, len(colours), (6, 11, 1))
        palette = png_chunk(b"PLTE", colours.astype(np.uint8).tobytes())
        yield f"palette{depth}.png", png(index, depth, 3, before_data=palette), colours[index[..., 0]]
    alpha = rng.integers(0, 256, 5)
    full = np.concatenate([alpha, np.full(len(colours) - 5, 255)])
    palette += png_chunk(b"tRNS", alpha.astype(np.uint8).tobytes())
    yield ("palette8_alpha.png", png(index, 8, 3, interlaced=True, before_data=palette),
           np.concatenate([colours[index[..., 0]], full[index]], -1))


def jpeg_files():
    image = synthetic(21, 13, 3, 8)
    smooth = image.filter(ImageFilter.GaussianBlur(2))
    options = {"quality": 60, "optimize": True}
    yield "rgb420.jpg", saved(smooth, "JPEG", **options)
    yield "rgb422.jpg", saved(smooth, "JPEG", subsampling=1, **options)
    yield "rgb444_progressive.jpg", saved(smooth, "JPEG", subsampling=0, progressive=True, **options)
    yield "gray.jpg", saved(smooth.convert("L"), "JPEG", **options)
    inks = Image.fromarray(np.asarray(synthetic(21, 13, 4, 6)), "CMYK")
    cmyk = saved(inks, "JPEG", **options)
    yield "cmyk.jpg", cmyk
    # The same data declared as YCCK by the transform flag of the Adobe marker.
    at = cmyk.index(b"Adobe") + 11
    yield "ycck.jpg", cmyk[:at] + b"\x02" + cmyk[at + 1:]
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = orientation
        yield f"orientation{orientation}.jpg", saved(
            smooth.crop((0, 0, 10, 6)).convert("L"), "JPEG", exif=exif, **options)


def webp_files():
    image = synthetic(20, 14, 3, 10).filter(ImageFilter.GaussianBlur(2))
    with_alpha = image.copy()
    with_alpha.putalpha(synthetic(20, 14, 1, 12))
    exif = Image.Exif()
    exif[0x112] = 6
    yield "lossy.webp", saved(image, "WEBP", quality=50)
    yield "lossless.webp", saved(image, "WEBP", lossless=True)
    yield "alpha.webp", saved(with_alpha, "WEBP", quality=50)
    yield "orientation6.webp", saved(image, "WEBP", quality=50, exif=exif)


def write_codec():
    lines = []

    def add(name, data, expected):
        expected = np.asarray(expected).astype(np.uint8)
        channels = expected.shape[2] if expected.ndim == 3 else 1
        open(name, "wb").write(data)
        lines.append(f"{name} {expected.shape[1]} {expected.shape[0]} {channels} "
                     f"{fnv(expected.tobytes())}")

    for name, data, expected in png_files():
        add(name, data, expected)
    for name, data in list(jpeg_files()) + list(webp_files()):
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        add(name, data, image.convert("RGB") if image.mode == "CMYK" else image)
    open("codec.txt", "w").write("\n".join(lines) + "\n")


if __name__ == "__main__":
    write_resize()
    write_ops()
    write_codec()
