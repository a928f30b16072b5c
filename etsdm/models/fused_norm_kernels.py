"""Group normalisation, scale, shift and SiLU of a feature map whose channels lie last, by Triton, without copies.

PyTorch's own group normalisation wants channels first, and float32: on a GPU a third of a training step goes into
copies around it. Here statistics are float32, whatever the type of the map, and nothing is copied. PyTorch also adds
the bias of a convolution in a kernel of its own. Here the normalisation after it does.

A feature map (B, C, H, W) is taken as (B, P, C), P pixels, in tiles of pixels and blocks of channels. Forward: moments
of each tile and channel, moments of each group, the result. Backward: the same three steps. With x^ the normalised map,
N = P C / groups, w = weight (1 + scale), b = bias (1 + scale) + shift, u = w x^ + b and z = dL/dy silu'(u):

    dL/dw = sum z x^,  dL/db = sum z,  dL/dx = (w z - sum(w z) / N - x^ sum(w z x^) / N) / std

where the first two sums run over pixels, the others over the pixels and channels of a group (Wu & He 2018, "Group
normalization", eq. 1 to 3, differentiated).
"""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False
# mypy: disallow-untyped-decorators=False

import triton
import triton.language as tl


@triton.jit
def _map(x, added, a_stride, b, at, c, has_added: tl.constexpr):
    """Values of a tile in float32, with what is added to each channel."""
    values = tl.load(x + at).to(tl.float32)
    if has_added:
        values += tl.load(added + b * a_stride + c).to(tl.float32)[None, :]
    return values


@triton.jit
def _affine(weight, bias, affine, f_stride, b, c, channels, inside, has_affine: tl.constexpr):
    """w and b of the formulas above, of these channels of an image, and 1 + scale."""
    w = tl.load(weight + c, mask=inside, other=0.0)
    shift = tl.load(bias + c, mask=inside, other=0.0)
    scale = tl.zeros_like(w) + 1.0
    if has_affine:
        scale += tl.load(affine + b * f_stride + c, mask=inside, other=0.0).to(tl.float32)
        w *= scale
        shift = shift * scale + tl.load(affine + b * f_stride + channels + c, mask=inside, other=0.0).to(tl.float32)
    return w, shift, scale


@triton.jit
def tile_moments(
    x, added, mean, m2, a_stride, pixels, channels, has_added: tl.constexpr, tile: tl.constexpr, block: tl.constexpr
):
    """Mean, and sum of squares around it, of each channel of a tile."""
    b, t, k = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    c = k * block + tl.arange(0, block)
    p = t * tile + tl.arange(0, tile)
    at = (b.to(tl.int64) * pixels + p[:, None]) * channels + c[None, :]
    values = _map(x, added, a_stride, b, at, c, has_added)
    centre = tl.sum(values, 0) / tile
    off = values - centre[None, :]
    place = (b * tl.num_programs(1) + t) * channels + c
    tl.store(mean + place, centre)
    tl.store(m2 + place, tl.sum(off * off, 0))


@triton.jit
def _places(tiles, channels, each, some: tl.constexpr, most_tiles: tl.constexpr, most_each: tl.constexpr):
    """Of some groups of an image: where their values in each tile lie, which of these are theirs, and their channels.

    The first two are (tiles, groups, channels a group), the others (groups, channels a group).
    """
    b = tl.program_id(0)
    t, e = tl.arange(0, most_tiles)[:, None, None], tl.arange(0, most_each)[None, :]
    g = (tl.program_id(1) * some + tl.arange(0, some))[:, None]
    c, own = g * each + e, (g >= 0) & (e < each)
    where = (b * tiles + t) * channels + c[None, :, :]
    return where, (t < tiles) & own[None, :, :], c, own


@triton.jit(do_not_specialize=["tiles", "channels", "each", "tile"])
def group_moments(
    tile_mean,
    tile_m2,
    mean,
    rstd,
    above,
    tiles,
    channels,
    each,
    eps,
    tile,
    some: tl.constexpr,
    most_tiles: tl.constexpr,
    most_each: tl.constexpr,
):
    """Mean and 1 / std of groups, written for each of their channels; tiles are equally large.

    `above` is how far a channel's own mean lies above that of its group.
    """
    where, inside, c, own = _places(tiles, channels, each, some, most_tiles, most_each)
    means = tl.load(tile_mean + where, mask=inside, other=0.0)
    squares = tl.load(tile_m2 + where, mask=inside, other=0.0)
    centre = tl.sum(tl.sum(means, 2), 0) / (tiles * each)
    off = tl.where(inside, means - centre[None, :, None], 0.0)
    total = tl.sum(tl.sum(squares, 2), 0) + tile * tl.sum(tl.sum(off * off, 2), 0)
    deviation = tl.sqrt(total / (tiles * tile * each) + eps)
    at, nothing = tl.program_id(0) * channels + c, tl.zeros([some, most_each], tl.float32)
    tl.store(mean + at, nothing + centre[:, None], mask=own)
    tl.store(rstd + at, nothing + (1.0 / deviation)[:, None], mask=own)
    tl.store(above + at, tl.sum(off, 0) / tiles, mask=own)


@triton.jit
def normalise(
    x,
    added,
    y,
    mean,
    rstd,
    weight,
    bias,
    affine,
    a_stride,
    f_stride,
    pixels,
    channels,
    has_added: tl.constexpr,
    has_affine: tl.constexpr,
    silu: tl.constexpr,
    tile: tl.constexpr,
    block: tl.constexpr,
):
    b, t, k = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    c = k * block + tl.arange(0, block)
    p = t * tile + tl.arange(0, tile)
    at = (b.to(tl.int64) * pixels + p[:, None]) * channels + c[None, :]
    values = _map(x, added, a_stride, b, at, c, has_added)
    centre, scale = tl.load(mean + b * channels + c), tl.load(rstd + b * channels + c)
    w, shift, _ = _affine(weight, bias, affine, f_stride, b, c, channels, c < channels, has_affine)
    u = (values - centre[None, :]) * scale[None, :] * w[None, :] + shift[None, :]
    if silu:
        u = u * tl.sigmoid(u)
    tl.store(y + at, u.to(y.dtype.element_ty))


@triton.jit
def _activation_gradient(x, dy, mean, rstd, w, bias, silu: tl.constexpr):
    """Normalised values and z = dL/du, of a tile whose vectors of channels are given."""
    normal = (x - mean[None, :]) * rstd[None, :]
    if silu:
        u = normal * w[None, :] + bias[None, :]
        s = tl.sigmoid(u)
        dy = dy * s * (1.0 + u * (1.0 - s))
    return normal, dy


@triton.jit
def tile_sums(
    x,
    added,
    dy,
    mean,
    rstd,
    weight,
    bias,
    affine,
    sum_z,
    sum_zx,
    a_stride,
    f_stride,
    pixels,
    channels,
    has_added: tl.constexpr,
    has_affine: tl.constexpr,
    silu: tl.constexpr,
    tile: tl.constexpr,
    block: tl.constexpr,
):
    """Sums of z and of z x^ over the pixels of a tile."""
    b, t, k = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    c = k * block + tl.arange(0, block)
    p = t * tile + tl.arange(0, tile)
    at = (b.to(tl.int64) * pixels + p[:, None]) * channels + c[None, :]
    centre, scale = tl.load(mean + b * channels + c), tl.load(rstd + b * channels + c)
    w, shift, _ = _affine(weight, bias, affine, f_stride, b, c, channels, c < channels, has_affine)
    values, slope = _map(x, added, a_stride, b, at, c, has_added), tl.load(dy + at).to(tl.float32)
    normal, z = _activation_gradient(values, slope, centre, scale, w, shift, silu)
    place = (b * tl.num_programs(1) + t) * channels + c
    tl.store(sum_z + place, tl.sum(z, 0))
    tl.store(sum_zx + place, tl.sum(z * normal, 0))


@triton.jit(do_not_specialize=["f_stride", "images", "tiles", "channels", "each", "pixels"])
def group_sums(
    tile_z,
    tile_zx,
    rstd,
    above,
    weight,
    bias,
    affine,
    d_vectors,
    d_affine,
    first,
    second,
    f_stride,
    images,
    tiles,
    channels,
    each,
    pixels,
    has_affine: tl.constexpr,
    some: tl.constexpr,
    most_tiles: tl.constexpr,
    most_each: tl.constexpr,
):
    """Gradients of the vectors of an image and some groups, and the two means over a group that dL/dx takes.

    `d_vectors` is (3, B, C): of the weight, of the bias and of what is added to each channel. `d_affine` is (B, 2 C).
    """
    b = tl.program_id(0)
    where, inside, c, own = _places(tiles, channels, each, some, most_tiles, most_each)
    z = tl.sum(tl.load(tile_z + where, mask=inside, other=0.0), 0)
    zx = tl.sum(tl.load(tile_zx + where, mask=inside, other=0.0), 0)
    w, _, scale = _affine(weight, bias, affine, f_stride, b, c, channels, own, has_affine)
    one = (tl.sum(w * z, 1) / (pixels * each))[:, None]
    two = (tl.sum(w * zx, 1) / (pixels * each))[:, None]
    at, nothing = b * channels + c, tl.zeros([some, most_each], tl.float32)
    tl.store(first + at, nothing + one, mask=own)
    tl.store(second + at, nothing + two, mask=own)
    deviation = tl.load(rstd + at, mask=own, other=0.0)
    normal = pixels * deviation * tl.load(above + at, mask=own, other=0.0)
    tl.store(d_vectors + at, scale * zx, mask=own)
    tl.store(d_vectors + images * channels + at, scale * z, mask=own)
    tl.store(d_vectors + 2 * images * channels + at, deviation * (w * z - pixels * one - normal * two), mask=own)
    if has_affine:
        d_scale = tl.load(weight + c, mask=own, other=0.0) * zx + tl.load(bias + c, mask=own, other=0.0) * z
        row = d_affine + b * 2 * channels + c
        tl.store(row, d_scale.to(d_affine.dtype.element_ty), mask=own)
        tl.store(row + channels, z.to(d_affine.dtype.element_ty), mask=own)


@triton.jit
def input_gradient(
    x,
    added,
    dy,
    dx,
    mean,
    rstd,
    weight,
    bias,
    affine,
    first,
    second,
    a_stride,
    f_stride,
    pixels,
    channels,
    has_added: tl.constexpr,
    has_affine: tl.constexpr,
    silu: tl.constexpr,
    tile: tl.constexpr,
    block: tl.constexpr,
):
    b, t, k = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    c = k * block + tl.arange(0, block)
    p = t * tile + tl.arange(0, tile)
    at = (b.to(tl.int64) * pixels + p[:, None]) * channels + c[None, :]
    centre, scale = tl.load(mean + b * channels + c), tl.load(rstd + b * channels + c)
    w, shift, _ = _affine(weight, bias, affine, f_stride, b, c, channels, c < channels, has_affine)
    values, slope = _map(x, added, a_stride, b, at, c, has_added), tl.load(dy + at).to(tl.float32)
    normal, z = _activation_gradient(values, slope, centre, scale, w, shift, silu)
    one, two = tl.load(first + b * channels + c), tl.load(second + b * channels + c)
    gradient = scale[None, :] * (w[None, :] * z - one[None, :] - normal * two[None, :])
    tl.store(dx + at, gradient.to(dx.dtype.element_ty))
