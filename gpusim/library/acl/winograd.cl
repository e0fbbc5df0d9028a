/* Winograd's transforms. TILE_W x TILE_H outputs and a filter of KERNEL_W x KERNEL_H need
 * COLUMNS x ROWS products. An axis with a filter of one element is not transformed.
 *
 * Matrices: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016); points
 * 0, +-1 for F(2, 3), also +-2 for F(4, 3), also +-1/2 for F(4, 5), and infinity.
 */

#define COLUMNS (TILE_W + KERNEL_W - 1)
#define ROWS (TILE_H + KERNEL_H - 1)

/* One axis: `i` and `o` are arrays, elements `s` apart. */
#define FILTER_F2_3(o, os, i, is) \
    { \
        const TYPE ends = 0.5f * ((i)[0] + (i)[2 * is]); \
        const TYPE mid = 0.5f * (i)[is]; \
        (o)[0] = (i)[0]; \
        (o)[os] = ends + mid; \
        (o)[2 * os] = ends - mid; \
        (o)[3 * os] = (i)[2 * is]; \
    }
#define FILTER_F4_3(o, os, i, is) \
    { \
        const TYPE ends = -((i)[0] + (i)[2 * is]) / 6.0f; \
        const TYPE mid = (i)[is] / 6.0f; \
        const TYPE outer = (i)[0] / 24.0f + (i)[2 * is] / 6.0f; \
        const TYPE half_mid = (i)[is] / 12.0f; \
        (o)[0] = 0.25f * (i)[0]; \
        (o)[os] = ends - mid; \
        (o)[2 * os] = ends + mid; \
        (o)[3 * os] = outer + half_mid; \
        (o)[4 * os] = outer - half_mid; \
        (o)[5 * os] = (i)[2 * is]; \
    }
#define FILTER_F4_5(o, os, i, is) \
    { \
        const TYPE even = (i)[0] + (i)[2 * is] + (i)[4 * is]; \
        const TYPE odd = (i)[is] + (i)[3 * is]; \
        const TYPE even2 = (i)[0] + 4.0f * (i)[2 * is] + 16.0f * (i)[4 * is]; \
        const TYPE odd2 = 2.0f * (i)[is] + 8.0f * (i)[3 * is]; \
        const TYPE even_half = 16.0f * (i)[0] + 4.0f * (i)[2 * is] + (i)[4 * is]; \
        const TYPE odd_half = 8.0f * (i)[is] + 2.0f * (i)[3 * is]; \
        (o)[0] = (i)[0]; \
        (o)[os] = -2.0f / 9.0f * (even + odd); \
        (o)[2 * os] = -2.0f / 9.0f * (even - odd); \
        (o)[3 * os] = (even2 + odd2) / 90.0f; \
        (o)[4 * os] = (even2 - odd2) / 90.0f; \
        (o)[5 * os] = 2.0f / 45.0f * (even_half + odd_half); \
        (o)[6 * os] = 2.0f / 45.0f * (even_half - odd_half); \
        (o)[7 * os] = (i)[4 * is]; \
    }

#define INPUT_F2_3(o, os, i, is) \
    (o)[0] = (i)[0] - (i)[2 * is]; \
    (o)[os] = (i)[is] + (i)[2 * is]; \
    (o)[2 * os] = (i)[2 * is] - (i)[is]; \
    (o)[3 * os] = (i)[is] - (i)[3 * is];
#define INPUT_F4_3(o, os, i, is) \
    { \
        const TYPE a = (i)[4 * is] - 4.0f * (i)[2 * is]; \
        const TYPE b = (i)[3 * is] - 4.0f * (i)[is]; \
        const TYPE c = (i)[4 * is] - (i)[2 * is]; \
        const TYPE d = 2.0f * ((i)[3 * is] - (i)[is]); \
        (o)[0] = 4.0f * (i)[0] - 5.0f * (i)[2 * is] + (i)[4 * is]; \
        (o)[os] = a + b; \
        (o)[2 * os] = a - b; \
        (o)[3 * os] = c + d; \
        (o)[4 * os] = c - d; \
        (o)[5 * os] = 4.0f * (i)[is] - 5.0f * (i)[3 * is] + (i)[5 * is]; \
    }
#define INPUT_F4_5(o, os, i, is) \
    { \
        const TYPE a = (i)[2 * is] - 4.25f * (i)[4 * is] + (i)[6 * is]; \
        const TYPE b = (i)[is] - 4.25f * (i)[3 * is] + (i)[5 * is]; \
        const TYPE c = 0.25f * (i)[2 * is] - 1.25f * (i)[4 * is] + (i)[6 * is]; \
        const TYPE d = 0.5f * (i)[is] - 2.5f * (i)[3 * is] + 2.0f * (i)[5 * is]; \
        const TYPE e = 4.0f * (i)[2 * is] - 5.0f * (i)[4 * is] + (i)[6 * is]; \
        const TYPE f = 2.0f * (i)[is] - 2.5f * (i)[3 * is] + 0.5f * (i)[5 * is]; \
        (o)[0] = (i)[0] - (i)[6 * is] + 5.25f * ((i)[4 * is] - (i)[2 * is]); \
        (o)[os] = a + b; \
        (o)[2 * os] = a - b; \
        (o)[3 * os] = c + d; \
        (o)[4 * os] = c - d; \
        (o)[5 * os] = e + f; \
        (o)[6 * os] = e - f; \
        (o)[7 * os] = (i)[7 * is] - (i)[is] + 5.25f * ((i)[3 * is] - (i)[5 * is]); \
    }

#define OUTPUT_F2_3(o, os, i, is) \
    (o)[0] = (i)[0] + (i)[is] + (i)[2 * is]; \
    (o)[os] = (i)[is] - (i)[2 * is] - (i)[3 * is];
#define OUTPUT_F4_3(o, os, i, is) \
    { \
        const TYPE a = (i)[is] + (i)[2 * is]; \
        const TYPE b = (i)[is] - (i)[2 * is]; \
        const TYPE c = (i)[3 * is] + (i)[4 * is]; \
        const TYPE d = (i)[3 * is] - (i)[4 * is]; \
        (o)[0] = (i)[0] + a + c; \
        (o)[os] = b + 2.0f * d; \
        (o)[2 * os] = a + 4.0f * c; \
        (o)[3 * os] = b + 8.0f * d + (i)[5 * is]; \
    }
#define OUTPUT_F4_5(o, os, i, is) \
    { \
        const TYPE a = (i)[is] + (i)[2 * is]; \
        const TYPE b = (i)[is] - (i)[2 * is]; \
        const TYPE c = (i)[3 * is] + (i)[4 * is]; \
        const TYPE d = (i)[3 * is] - (i)[4 * is]; \
        const TYPE e = (i)[5 * is] + (i)[6 * is]; \
        const TYPE f = (i)[5 * is] - (i)[6 * is]; \
        (o)[0] = (i)[0] + a + c + e; \
        (o)[os] = b + 2.0f * d + 0.5f * f; \
        (o)[2 * os] = a + 4.0f * c + 0.25f * e; \
        (o)[3 * os] = b + 8.0f * d + 0.125f * f + (i)[7 * is]; \
    }

#define COPY(o, os, i, is) (o)[0] = (i)[0];

#if TILE_W == 1
#define X_FORM(step) COPY
#elif TILE_W == 2
#define X_FORM(step) JOIN(step, _F2_3)
#elif KERNEL_W == 3
#define X_FORM(step) JOIN(step, _F4_3)
#else
#define X_FORM(step) JOIN(step, _F4_5)
#endif
#if TILE_H == 1
#define Y_FORM(step) COPY
#elif TILE_H == 2
#define Y_FORM(step) JOIN(step, _F2_3)
#elif KERNEL_H == 3
#define Y_FORM(step) JOIN(step, _F4_3)
#else
#define Y_FORM(step) JOIN(step, _F4_5)
#endif

#ifdef TRANSFORM_FILTER
/* A work-item transforms one filter of one channel. */
__kernel void KERNEL_NAME(__global const TYPE *weights, __global TYPE *transformed, int row_stride,
                          int plane_stride)
{
#ifdef NHWC
    const int channel = get_global_id(0);
    const int filter = get_global_id(2);
    const int tap_stride = CHANNELS;
    weights += filter * KERNEL_W * KERNEL_H * CHANNELS + channel;
#else
    const int channel = get_global_id(2) % CHANNELS;
    const int filter = get_global_id(2) / CHANNELS;
    const int tap_stride = 1;
    weights += (int)get_global_id(2) * KERNEL_W * KERNEL_H;
#endif
    TYPE w[KERNEL_W * KERNEL_H];
    TYPE half_done[KERNEL_H * COLUMNS];
    TYPE done[ROWS * COLUMNS];

#pragma unroll
    for (int tap = 0; tap < KERNEL_W * KERNEL_H; ++tap)
        w[tap] = weights[tap * tap_stride];
#pragma unroll
    for (int y = 0; y < KERNEL_H; ++y) {
        X_FORM(FILTER)(half_done + y * COLUMNS, 1, w + y * KERNEL_W, 1)
    }
#pragma unroll
    for (int x = 0; x < COLUMNS; ++x) {
        Y_FORM(FILTER)(done + x, COLUMNS, half_done + x, COLUMNS)
    }
    transformed += channel * row_stride + filter;
#pragma unroll
    for (int i = 0; i < ROWS * COLUMNS; ++i)
        transformed[i * plane_stride] = done[i];
}
#endif

#ifdef TRANSFORM_INPUT
/* A work-item transforms the patch under one tile of one channel (in small planes: of two). */
__kernel void KERNEL_NAME(__global const TYPE *input, __global TYPE *transformed, int row_stride,
                          int plane_stride, int image_stride, int offset, int out_row,
                          int out_plane, int out_image)
{
    TYPE v[ROWS * COLUMNS];
    TYPE half_done[ROWS * COLUMNS];
    TYPE done[ROWS * COLUMNS];
#ifdef NHWC
    const int channel = get_global_id(0);
    const int tile_x = get_global_id(1);
    const int tile_y = get_global_id(2) % TILES_Y;
    const int image = get_global_id(2) / TILES_Y;
#else
    const int tile_x = get_global_id(0);
    const int tile_y = get_global_id(1);
    const int image = get_global_id(2) * STEP_Z / CHANNELS;
    int channel = get_global_id(2) * STEP_Z % CHANNELS;
#endif
    const int x0 = tile_x * TILE_W - PAD_LEFT;
    const int y0 = tile_y * TILE_H - PAD_TOP;

    input += offset + image * image_stride;
    transformed += image * out_image + (tile_y * TILES_X + tile_x) * out_row;
#ifndef NHWC
#pragma unroll
    for (int step = 0; step < STEP_Z; ++step, ++channel)
#endif
    {
#ifdef NHWC
        /* Rows outside of the image are read from the column before it, which holds zeros. */
#pragma unroll
        for (int y = 0; y < ROWS; ++y) {
            const int in_y = clamp(y0 + y, 0, SRC_H - 1);
            const int is_inside = in_y == y0 + y;
#pragma unroll
            for (int x = 0; x < COLUMNS; ++x) {
                const int in_x = is_inside ? clamp(x0 + x, -1, SRC_W) : -1;
                v[y * COLUMNS + x] = input[in_y * plane_stride + in_x * row_stride + channel];
            }
        }
#else
        __global const TYPE *from = input + channel * plane_stride + y0 * row_stride + x0;
#pragma unroll
        for (int y = 0; y < ROWS; ++y, from += row_stride) {
#if COLUMNS == 8
            vstore8(vload8(0, from), 0, v + y * COLUMNS);
#elif COLUMNS == 6
            vstore4(vload4(0, from), 0, v + y * COLUMNS);
            vstore2(vload2(0, from + 4), 0, v + y * COLUMNS + 4);
#elif COLUMNS == 4
            vstore4(vload4(0, from), 0, v + y * COLUMNS);
#else
            v[y] = *from;
#endif
        }
#endif
#pragma unroll
        for (int y = 0; y < ROWS; ++y) {
            X_FORM(INPUT)(half_done + y * COLUMNS, 1, v + y * COLUMNS, 1)
        }
#pragma unroll
        for (int x = 0; x < COLUMNS; ++x) {
            Y_FORM(INPUT)(done + x, COLUMNS, half_done + x, COLUMNS)
        }
#pragma unroll
        for (int i = 0; i < ROWS * COLUMNS; ++i)
            transformed[i * out_plane + channel] = done[i];
    }
}
#endif

#ifdef TRANSFORM_OUTPUT
#if TILE_W == 2
#define GATHER(v) (VEC(2))((v)[0], (v)[1])
#else
#define GATHER(v) (VEC(4))((v)[0], (v)[1], (v)[2], (v)[3])
#endif

/* A work-item makes one tile of one output channel. Maps are padded to whole tiles, except for
 * their rows in NHWC.
 */
__kernel void KERNEL_NAME(__global const TYPE *product, __global const TYPE *bias,
                          __global TYPE *output, int row_stride, int plane_stride, int offset,
                          int out_row, int out_plane, int out_offset)
{
    const int channel = get_global_id(0);
    const int tile = get_global_id(1);
    const int x0 = tile % TILES_X * TILE_W;
    const int y0 = tile / TILES_X * TILE_H;
    TYPE v[ROWS * COLUMNS];
    TYPE half_done[ROWS * TILE_W];
    TYPE done[TILE_H * TILE_W];

    product += offset + tile * row_stride + channel;
#pragma unroll
    for (int i = 0; i < ROWS * COLUMNS; ++i)
        v[i] = product[i * plane_stride];
#pragma unroll
    for (int y = 0; y < ROWS; ++y) {
        X_FORM(OUTPUT)(half_done + y * TILE_W, 1, v + y * COLUMNS, 1)
    }
#pragma unroll
    for (int x = 0; x < TILE_W; ++x) {
        Y_FORM(OUTPUT)(done + x, TILE_W, half_done + x, TILE_W)
    }
#ifdef HAS_BIAS
    const TYPE b = bias[channel];
#pragma unroll
    for (int i = 0; i < TILE_W * TILE_H; ++i)
        done[i] += b;
#endif
#ifdef NHWC
    output += out_offset + channel;
#pragma unroll
    for (int y = 0; y < TILE_H; ++y) {
        if (y0 + y < OUT_H) {
#pragma unroll
            for (int x = 0; x < TILE_W; ++x)
                output[(y0 + y) * out_plane + (x0 + x) * out_row] = done[y * TILE_W + x];
        }
    }
#else
    output += out_offset + channel * out_plane + y0 * out_row + x0;
#pragma unroll
    for (int y = 0; y < TILE_H; ++y) {
#if TILE_W == 1
        output[y * out_row] = done[y];
#else
        VSTORE(TILE_W)(GATHER(done + y * TILE_W), 0, output + y * out_row);
#endif
    }
#endif
}
#endif
