/* Depthwise convolution: 3x3 in both layouts, and any filter in steps. */

#ifdef DEPTHWISE_NHWC
/* VECTOR channels of COLUMNS x PLANES outputs. Rows outside of the image are read from a column of
 * padding that holds zeros.
 */
#define IN_COLUMNS ((COLUMNS - 1) * STRIDE_X + 3)
#define IN_ROWS ((PLANES - 1) * STRIDE_Y + 3)
#define OUT_PLANES ((OUT_H + PLANES - 1) / PLANES)

__kernel void DEPTHWISE_NHWC(__global const TYPE *input, __global const TYPE *weights,
                             __global const TYPE *bias, __global TYPE *output, int row_stride,
                             int plane_stride, int image_stride, int offset, int weights_row,
                             int weights_plane, int out_row, int out_plane, int out_image)
{
    const int channel = get_global_id(0) * VECTOR;
    const int x = get_global_id(1) * COLUMNS;
    const int y = get_global_id(2) % OUT_PLANES * PLANES;
    const int image = get_global_id(2) / OUT_PLANES;
    VEC(VECTOR) w[9];
    VEC(VECTOR) sum[COLUMNS * PLANES];

    input += offset + image * image_stride + channel;
    weights += channel;
    output += image * out_image + y * out_plane + x * out_row + channel;
#pragma unroll
    for (int i = 0; i < 9; ++i)
        w[i] = VLOAD(VECTOR)(0, weights + i / 3 * weights_plane + i % 3 * weights_row);
#pragma unroll
    for (int i = 0; i < COLUMNS * PLANES; ++i)
        sum[i] = (VEC(VECTOR))((TYPE)0);
#pragma unroll
    for (int row = 0; row < IN_ROWS; ++row) {
        const int in_y = clamp(y * STRIDE_Y - PAD_TOP + row, 0, SRC_H - 1);
        const int is_inside = in_y == y * STRIDE_Y - PAD_TOP + row;
#pragma unroll
        for (int column = 0; column < IN_COLUMNS; ++column) {
            const int in_x = is_inside ? x * STRIDE_X - PAD_LEFT + column : ZERO_COLUMN;
            const VEC(VECTOR) v =
                VLOAD(VECTOR)(0, input + in_y * plane_stride + in_x * row_stride);
#pragma unroll
            for (int i = 0; i < COLUMNS * PLANES; ++i) {
                const int ky = row - i / COLUMNS * STRIDE_Y;
                const int kx = column - i % COLUMNS * STRIDE_X;
                if (ky >= 0 && ky < 3 && kx >= 0 && kx < 3)
                    sum[i] += v * w[ky * 3 + kx];
            }
        }
    }
#ifdef HAS_BIAS
    const VEC(VECTOR) b = VLOAD(VECTOR)(0, bias + channel);
#pragma unroll
    for (int i = 0; i < COLUMNS * PLANES; ++i)
        sum[i] += b;
#endif
#pragma unroll
    for (int plane = 0; plane < PLANES; ++plane) {
        if (y + plane < OUT_H) {
#pragma unroll
            for (int column = 0; column < COLUMNS; ++column)
                VSTORE(VECTOR)(sum[plane * COLUMNS + column], 0,
                               output + plane * out_plane + column * out_row);
        }
    }
}
#endif

#ifdef DEPTHWISE_NCHW
/* COLUMNS x ROWS outputs of one channel; the border of the input is padding. */
#define NEED ((COLUMNS - 1) * STRIDE_X + 3)
#if COLUMNS == 2
#define GATHER(v) (VEC(2))((v)[0], (v)[1])
#else
#define GATHER(v) (VEC(4))((v)[0], (v)[1], (v)[2], (v)[3])
#endif
#define IN_ROWS ((ROWS - 1) * STRIDE_Y + 3)
#if NEED <= 6
#define FIRST 4
#elif NEED <= 10
#define FIRST 8
#endif

__kernel void DEPTHWISE_NCHW(__global const TYPE *input, __global const TYPE *weights,
                             __global const TYPE *bias, __global TYPE *output, int row_stride,
                             int plane_stride, int offset, int out_row, int out_plane)
{
    const int x = get_global_id(0) * COLUMNS;
    const int y = get_global_id(1) * ROWS;
    const int plane = get_global_id(2);
#ifdef CHANNELS
    const int channel = plane % CHANNELS;
#else
    const int channel = plane;
#endif
    TYPE w[12];
    TYPE sum[COLUMNS * ROWS];

    input += offset + plane / MULTIPLIER * plane_stride + (y * STRIDE_Y - PAD_TOP) * row_stride
             + x * STRIDE_X - PAD_LEFT;
    output += plane * out_plane + y * out_row + x;
    weights += channel * 9;
    vstore3(vload3(0, weights), 0, w);
    vstore3(vload3(0, weights + 3), 0, w + 3);
    vstore3(vload3(0, weights + 6), 0, w + 6);
#pragma unroll
    for (int i = 0; i < COLUMNS * ROWS; ++i)
        sum[i] = (TYPE)0;
#pragma unroll
    for (int row = 0; row < IN_ROWS; ++row) {
        __global const TYPE *from = input + row * row_stride;
        TYPE v[NEED + 16];
#ifdef FIRST
        VSTORE(FIRST)(VLOAD(FIRST)(0, from), 0, v);
#if NEED == FIRST + 1
        v[FIRST] = from[FIRST];
#elif NEED == FIRST + 2
        vstore2(vload2(0, from + FIRST), 0, v + FIRST);
#endif
#else
#pragma unroll
        for (int column = 0; column < COLUMNS; ++column)
            vstore3(vload3(0, from + column * STRIDE_X), 0, v + column * STRIDE_X);
#endif
#pragma unroll
        for (int i = 0; i < COLUMNS * ROWS; ++i) {
            const int ky = row - i / COLUMNS * STRIDE_Y;
            if (ky >= 0 && ky < 3) {
#pragma unroll
                for (int kx = 0; kx < 3; ++kx)
                    sum[i] += v[i % COLUMNS * STRIDE_X + kx] * w[ky * 3 + kx];
            }
        }
    }
#ifdef HAS_BIAS
    const TYPE b = bias[channel];
#pragma unroll
    for (int i = 0; i < COLUMNS * ROWS; ++i)
        sum[i] += b;
#endif
#pragma unroll
    for (int row = 0; row < ROWS; ++row)
        VSTORE(COLUMNS)(GATHER(sum + row * COLUMNS), 0, output + row * out_row);
}
#endif

#define TAPS (KERNEL_W * KERNEL_H)

#ifdef RESHAPE_WEIGHTS
/* A work-item copies a row of a filter; the last one of a filter also the bias. */
__kernel void depthwise_convolution_reshape_weights_generic(__global const TYPE *weights,
                                                            __global const TYPE *bias,
                                                            __global TYPE *rows, int row_stride)
{
    const int y = get_global_id(1);
    const int channel = get_global_id(2);
    __global TYPE *to = rows + channel * row_stride + y * KERNEL_W;

    for (int x = 0; x < KERNEL_W; ++x) {
#ifdef NHWC
        to[x] = weights[(y * KERNEL_W + x) * CHANNELS + channel];
#else
        to[x] = weights[channel * TAPS + y * KERNEL_W + x];
#endif
    }
#ifdef HAS_BIAS
    if (y == KERNEL_H - 1)
        to[KERNEL_W] = bias[channel];
#endif
}
#endif

#ifdef DEPTHWISE_IM2COL
/* A work-item copies the pixels under the filter of one output of one channel. */
#define INPUTS (CHANNELS / MULTIPLIER)

__kernel void depthwise_im2col(__global const TYPE *input, __global TYPE *columns, int offset,
                               int row_stride, int plane_stride, int out_offset)
{
    const int pixel = get_global_id(1);
    const int channel = get_global_id(2);
    const int x0 = pixel % CONV_W * STRIDE_X - PAD_LEFT;
    const int y0 = pixel / CONV_W * STRIDE_Y - PAD_TOP;
    __global TYPE *to = columns + out_offset + channel * plane_stride + pixel * row_stride;

    input += offset;
    for (int y = y0; y < y0 + KERNEL_H; ++y) {
        for (int x = x0; x < x0 + KERNEL_W; ++x, ++to) {
            if (x < 0 || x >= SRC_W || y < 0 || y >= SRC_H)
                *to = (TYPE)0;
            else
#ifdef NHWC
                *to = input[(y * SRC_W + x) * INPUTS + channel / MULTIPLIER];
#else
                *to = input[(channel / MULTIPLIER * SRC_H + y) * SRC_W + x];
#endif
        }
    }
#ifdef HAS_BIAS
    *to = (TYPE)1;
#endif
}
#endif

#ifdef GEMM_MV
/* A work-item multiplies four rows of a channel's matrix with its filter, both padded with zeros
 * to multiples of four.
 */
__kernel void gemm_mv(__global const TYPE *columns, __global const TYPE *rows,
                      __global TYPE *vector, int row_stride, int plane_stride, int offset,
                      int filter_stride, int out_offset)
{
    const int row = get_global_id(1) * 4;
    const int channel = get_global_id(2);
    VEC(4) sum0 = (VEC(4))((TYPE)0);
    VEC(4) sum1 = (VEC(4))((TYPE)0);
    VEC(4) sum2 = (VEC(4))((TYPE)0);
    VEC(4) sum3 = (VEC(4))((TYPE)0);

    columns += offset + channel * plane_stride + row * row_stride;
    rows += channel * filter_stride;
    for (int i = 0; i < SRC_WIDTH; i += 4) {
        const VEC(4) w = vload4(0, rows + i);
        sum0 += vload4(0, columns + i) * w;
        sum1 += vload4(0, columns + i + row_stride) * w;
        sum2 += vload4(0, columns + i + 2 * row_stride) * w;
        sum3 += vload4(0, columns + i + 3 * row_stride) * w;
    }
    vector += out_offset + channel * SRC_HEIGHT + row;
#define TOTAL(v) (v.s0 + v.s1 + v.s2 + v.s3)
    vector[0] = TOTAL(sum0);
    if (row + 1 < SRC_HEIGHT)
        vector[1] = TOTAL(sum1);
    if (row + 2 < SRC_HEIGHT)
        vector[2] = TOTAL(sum2);
    if (row + 3 < SRC_HEIGHT)
        vector[3] = TOTAL(sum3);
}
#endif

#ifdef VECTOR_TO_TENSOR
/* A work-item moves one output. */
__kernel void depthwise_vector_to_tensor(__global const TYPE *vector, __global TYPE *output,
                                         int offset, int out_offset)
{
    const int i = get_global_id(0);

#ifdef NHWC
    const int channel = i / (CONV_W * CONV_H);
    const int pixel = i % (CONV_W * CONV_H);
    output[out_offset + pixel * CHANNELS + channel] = vector[offset + i];
#else
    output[out_offset + i] = vector[offset + i];
#endif
}
#endif

#ifdef PERMUTE
/* A work-item moves one element to where it lies in the other layout. */
__kernel void permute(__global const TYPE *input, __global TYPE *output, int row_stride,
                      int plane_stride, int image_stride, int offset, int step0, int step1,
                      int step2, int out_image, int out_offset)
{
    const int x = get_global_id(0);
    const int y = get_global_id(1);
    const int z = get_global_id(2) % PLANES;
    const int image = get_global_id(2) / PLANES;

    output[out_offset + image * out_image + x * step0 + y * step1 + z * step2] =
        input[offset + image * image_stride + z * plane_stride + y * row_stride + x];
}
#endif
