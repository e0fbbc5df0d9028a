/* Weights into a matrix, input patches into a matrix, a matrix back into maps. */

#ifdef RESHAPE_TO_COLUMNS
/* A work-item carries one weight of every filter; the last one also the biases. */
__kernel void reshape_to_columns(__global const TYPE *weights, __global const TYPE *bias,
                                 __global TYPE *matrix, int filters, int row_stride,
                                 int plane_stride)
{
    const int index = ((int)get_global_id(2) * DIM1 + (int)get_global_id(1)) * DIM0
                      + (int)get_global_id(0);

    for (int group = 0; group < GROUPS; ++group) {
        for (int filter = 0; filter < filters; ++filter)
            matrix[group * plane_stride + index * row_stride + filter] =
                weights[(group * filters + filter) * SIZE + index];
    }
#ifdef HAS_BIAS
    if (index == SIZE - 1) {
        for (int group = 0; group < GROUPS; ++group) {
            for (int filter = 0; filter < filters; ++filter)
                matrix[group * plane_stride + SIZE * row_stride + filter] =
                    bias[group * filters + filter];
        }
    }
#endif
}
#endif

#if defined(IM2COL3X3_NHWC) || defined(IM2COL9X9_NHWC) || defined(IM2COL_GENERIC_NHWC)
/* A work-item copies two channels of the pixels under the filter; the last one of a pixel also
 * writes what meets the bias. Outside the image it reads the nearest pixel and stores zeros.
 */
__kernel void IM2COL(__global const TYPE *input, __global TYPE *matrix, int row_stride,
                     int plane_stride, int image_stride, int offset, int matrix_row,
                     int matrix_plane)
{
    const int channel = min((int)get_global_id(0) * 2, max(CHANNELS - 2, 0));
    const int pixel = get_global_id(1);
    const int image = get_global_id(2);
    const int y0 = pixel / CONV_W * STRIDE_Y - PAD_TOP;
    const int x0 = pixel % CONV_W * STRIDE_X - PAD_LEFT;
    __global TYPE *row = matrix + image * matrix_plane + pixel * matrix_row;

    input += image * image_stride + offset + channel;
#ifndef IM2COL_GENERIC_NHWC
#pragma unroll
#endif
    for (int ky = 0; ky < KERNEL_H; ++ky) {
#ifndef IM2COL_GENERIC_NHWC
#pragma unroll
#endif
        for (int kx = 0; kx < KERNEL_W; ++kx) {
            const int y = y0 + ky * DILATION_Y;
            const int x = x0 + kx * DILATION_X;
            const int near_y = clamp(y, 0, SRC_H - 1);
            const int near_x = clamp(x, 0, SRC_W - 1);
            const VEC(2) value = vload2(0, input + near_y * plane_stride + near_x * row_stride);
            const VEC(2) zero = (VEC(2))((TYPE)0);
            vstore2(y == near_y && x == near_x ? value : zero, 0,
                    row + (ky * KERNEL_W + kx) * CHANNELS + channel);
        }
    }
#ifdef HAS_BIAS
    if (channel == max(CHANNELS - 2, 0))
        row[KERNEL_W * KERNEL_H * CHANNELS] = (TYPE)1;
#endif
}
#endif

#define GROUP_CHANNELS (CHANNELS / GROUPS)
#define TAPS (KERNEL_W * KERNEL_H)

#ifdef IM2COL1X1_STRIDEX1_NCHW
/* A work-item moves four pixels of a channel into four rows. */
__kernel void IM2COL(__global const TYPE *input, __global TYPE *matrix, int row_stride,
                     int plane_stride, int image_stride, int offset, int matrix_row,
                     int matrix_plane)
{
    const int x = get_global_id(0) * 4;
    const int y = get_global_id(1);
    const int channel = get_global_id(2) % CHANNELS;
    const int image = get_global_id(2) / CHANNELS;
    const int column = channel % GROUP_CHANNELS;
    __global TYPE *to = matrix + (image * GROUPS + channel / GROUP_CHANNELS) * matrix_plane
                        + (y * CONV_W + x) * matrix_row + column;
    const VEC(4) value = vload4(
        0, input + offset + image * image_stride + channel * plane_stride
               + y * STRIDE_Y * row_stride + x);

    to[0] = value.s0;
    if (x + 1 < CONV_W)
        to[matrix_row] = value.s1;
    if (x + 2 < CONV_W)
        to[2 * matrix_row] = value.s2;
    if (x + 3 < CONV_W)
        to[3 * matrix_row] = value.s3;
#ifdef HAS_BIAS
    if (column == GROUP_CHANNELS - 1) {
        to[1] = (TYPE)1;
        if (x + 1 < CONV_W)
            to[matrix_row + 1] = (TYPE)1;
        if (x + 2 < CONV_W)
            to[2 * matrix_row + 1] = (TYPE)1;
        if (x + 3 < CONV_W)
            to[3 * matrix_row + 1] = (TYPE)1;
    }
#endif
}
#endif

#if defined(IM2COL3X3_NCHW) || defined(IM2COL5X5_NCHW) || defined(IM2COL11X11_PADX0_PADY0_NCHW)
/* A work-item copies the pixels of a channel under the filter, row by row as vectors. The padding
 * around a plane may be read; what comes from there is replaced by zeros.
 */
#if KERNEL_W == 3
#define ROW(y) \
    { \
        const VEC(3) v = vload3(0, from + (y) * row_stride); \
        to[0] = INSIDE(0, y) ? v.s0 : (TYPE)0; \
        to[1] = INSIDE(1, y) ? v.s1 : (TYPE)0; \
        to[2] = INSIDE(2, y) ? v.s2 : (TYPE)0; \
    }
#elif KERNEL_W == 5
#define ROW(y) \
    { \
        const VEC(4) v = vload4(0, from + (y) * row_stride); \
        const TYPE last = from[(y) * row_stride + 4]; \
        VEC(4) w; \
        w.s0 = INSIDE(0, y) ? v.s0 : (TYPE)0; \
        w.s1 = INSIDE(1, y) ? v.s1 : (TYPE)0; \
        w.s2 = INSIDE(2, y) ? v.s2 : (TYPE)0; \
        w.s3 = INSIDE(3, y) ? v.s3 : (TYPE)0; \
        vstore4(w, 0, to); \
        to[4] = INSIDE(4, y) ? last : (TYPE)0; \
    }
#else
#define ROW(y) \
    { \
        vstore8(vload8(0, from + (y) * row_stride), 0, to); \
        vstore3(vload3(0, from + (y) * row_stride + 8), 0, to + 8); \
    }
#endif
#define INSIDE(dx, dy) \
    (x0 + (dx) >= 0 && x0 + (dx) < SRC_W && y0 + (dy) >= 0 && y0 + (dy) < SRC_H)

__kernel void IM2COL(__global const TYPE *input, __global TYPE *matrix, int row_stride,
                     int plane_stride, int image_stride, int offset, int matrix_row,
                     int matrix_plane)
{
    const int x0 = (int)get_global_id(0) * STRIDE_X - PAD_LEFT;
    const int y0 = (int)get_global_id(1) * STRIDE_Y - PAD_TOP;
    const int channel = get_global_id(2) % CHANNELS;
    const int image = get_global_id(2) / CHANNELS;
    __global const TYPE *from =
        input + offset + image * image_stride + channel * plane_stride + y0 * row_stride + x0;
    __global TYPE *to = matrix + (image * GROUPS + channel / GROUP_CHANNELS) * matrix_plane
                        + (int)(get_global_id(1) * CONV_W + get_global_id(0)) * matrix_row
                        + channel % GROUP_CHANNELS * TAPS;

#if KERNEL_W == 3
    /* Nine elements leave as a vector of eight and one. */
    const VEC(3) v0 = vload3(0, from);
    const VEC(3) v1 = vload3(0, from + row_stride);
    const VEC(3) v2 = vload3(0, from + 2 * row_stride);
    VEC(8) w;
    w.s0 = INSIDE(0, 0) ? v0.s0 : (TYPE)0;
    w.s1 = INSIDE(1, 0) ? v0.s1 : (TYPE)0;
    w.s2 = INSIDE(2, 0) ? v0.s2 : (TYPE)0;
    w.s3 = INSIDE(0, 1) ? v1.s0 : (TYPE)0;
    w.s4 = INSIDE(1, 1) ? v1.s1 : (TYPE)0;
    w.s5 = INSIDE(2, 1) ? v1.s2 : (TYPE)0;
    w.s6 = INSIDE(0, 2) ? v2.s0 : (TYPE)0;
    w.s7 = INSIDE(1, 2) ? v2.s1 : (TYPE)0;
    vstore8(w, 0, to);
    to[8] = INSIDE(2, 2) ? v2.s2 : (TYPE)0;
    to += 9;
#else
#pragma unroll
    for (int y = 0; y < KERNEL_H; ++y) {
        ROW(y)
        to += KERNEL_W;
    }
#endif
#ifdef HAS_BIAS
    if (channel % GROUP_CHANNELS == GROUP_CHANNELS - 1)
        *to = (TYPE)1;
#endif
}
#endif

#if defined(IM2COL_GENERIC_NCHW) || defined(IM2COL_GENERIC_PADX0_PADY0_NCHW)
/* A work-item copies the pixels of a channel under the filter: one by one with a test, or without
 * padding in vectors of up to four.
 */

__kernel void IM2COL(__global const TYPE *input, __global TYPE *matrix, int row_stride,
                     int plane_stride, int image_stride, int offset, int matrix_row,
                     int matrix_plane)
{
    const int x0 = (int)get_global_id(0) * STRIDE_X - PAD_LEFT;
    const int y0 = (int)get_global_id(1) * STRIDE_Y - PAD_TOP;
    const int channel = get_global_id(2) % CHANNELS;
    const int image = get_global_id(2) / CHANNELS;
    __global TYPE *to = matrix + (image * GROUPS + channel / GROUP_CHANNELS) * matrix_plane
                        + (int)(get_global_id(1) * CONV_W + get_global_id(0)) * matrix_row
                        + channel % GROUP_CHANNELS * TAPS;

    input += offset + image * image_stride + channel * plane_stride;
    for (int ky = 0; ky < KERNEL_H; ++ky) {
        const int y = y0 + ky * DILATION_Y;
#ifdef IM2COL_GENERIC_NCHW
        for (int kx = 0; kx < KERNEL_W; ++kx, ++to) {
            const int x = x0 + kx * DILATION_X;
            if (x < 0 || x >= SRC_W || y < 0 || y >= SRC_H)
                *to = (TYPE)0;
            else
                *to = input[y * row_stride + x];
        }
#else
        __global const TYPE *from = input + y * row_stride + x0;
        int kx = 0;
#if KERNEL_W == 2
        vstore2(vload2(0, from), 0, to);
        kx = 2;
#elif KERNEL_W == 3
        vstore3(vload3(0, from), 0, to);
        kx = 3;
#else
        for (; kx + 4 <= KERNEL_W; kx += 4)
            vstore4(vload4(0, from + kx), 0, to + kx);
#endif
        for (; kx < KERNEL_W; ++kx)
            to[kx] = from[kx];
        to += KERNEL_W;
#endif
    }
#ifdef HAS_BIAS
    if (channel % GROUP_CHANNELS == GROUP_CHANNELS - 1)
        *to = (TYPE)1;
#endif
}
#endif

#ifdef COL2IM
/* A work-item moves eight channels of a pixel from a row into planes. */
__kernel void col2im(__global const TYPE *matrix, __global TYPE *output, int columns,
                     int matrix_row, int matrix_plane, int plane_stride)
{
    const int column = get_global_id(0) * 8;
    const int pixel = get_global_id(1);
    const int group = get_global_id(2);
    const VEC(8) v = vload8(0, matrix + group * matrix_plane + pixel * matrix_row + column);
    __global TYPE *to = output + (group * columns + column) * plane_stride + pixel;

#define KEEP(i) \
    if (column + i < columns) \
        to[i * plane_stride] = v.s##i;
    KEEP(0) KEEP(1) KEEP(2) KEEP(3) KEEP(4) KEEP(5) KEEP(6) KEEP(7)
}
#endif
