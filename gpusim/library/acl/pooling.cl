/* Pooling: the largest element under the window, or their mean. */

#ifdef POOL_AVG
#define START ((TYPE)0)
#define COLLECT(x, y) ((x) + (y))
#define FINISH(x) ((x) * (TYPE)(1.0f / (POOL_W * POOL_H)))
#else
#define START LOWEST_VALUE
#define COLLECT(x, y) fmax(x, y)
#define FINISH(x) (x)
#endif

#ifdef POOL_NHWC
/* Eight channels of one output. What lies outside of the image is read from the padding before
 * its first column.
 */
__kernel void POOLING(__global const TYPE *input, __global TYPE *output, int row_stride,
                      int plane_stride, int image_stride, int offset, int out_row, int out_plane,
                      int out_image)
{
    const int channel = get_global_id(0) * 8;
    const int x = get_global_id(1);
    const int y = get_global_id(2) % OUT_H;
    const int image = get_global_id(2) / OUT_H;
    VEC(8) result = (VEC(8))(START);

    input += offset + image * image_stride + channel;
    for (int ky = 0; ky < POOL_H; ++ky) {
        const int in_y = y * STRIDE_Y - PAD_TOP + ky;
        for (int kx = 0; kx < POOL_W; ++kx) {
            const int in_x = x * STRIDE_X - PAD_LEFT + kx;
            const int is_inside = in_x >= 0 && in_x < SRC_W && in_y >= 0 && in_y < SRC_H;
            const int near_y = clamp(in_y, 0, SRC_H - 1);
            const int near_x = is_inside ? in_x : -1;
            result = COLLECT(result,
                             vload8(0, input + near_y * plane_stride + near_x * row_stride));
        }
    }
    vstore8(FINISH(result), 0,
            output + image * out_image + y * out_plane + x * out_row + channel);
}
#endif

#ifdef POOL_NCHW
#if COLUMNS == 4
/* Four outputs of a row under 3x3 windows. */
#define NEED (3 * STRIDE_X + 3)

__kernel void POOLING(__global const TYPE *input, __global TYPE *output, int row_stride,
                      int plane_stride, int offset, int out_row, int out_plane)
{
    const int x = get_global_id(0) * 4;
    const int y = get_global_id(1);
    const int plane = get_global_id(2);
    TYPE v[NEED];

    input += offset + plane * plane_stride + (y * STRIDE_Y - PAD_TOP) * row_stride + x * STRIDE_X - PAD_LEFT;
#define DOWN(n, at) \
    COLLECT(COLLECT(VLOAD(n)(0, input + (at)), VLOAD(n)(0, input + row_stride + (at))), \
            VLOAD(n)(0, input + 2 * row_stride + (at)))
#if STRIDE_X == 1
    vstore4(DOWN(4, 0), 0, v);
    vstore2(DOWN(2, 4), 0, v + 4);
#elif STRIDE_X == 2
    vstore8(DOWN(8, 0), 0, v);
    v[8] = COLLECT(COLLECT(input[8], input[row_stride + 8]), input[2 * row_stride + 8]);
#else
    vstore8(DOWN(8, 0), 0, v);
    vstore4(DOWN(4, 8), 0, v + 8);
#endif
#define TAKE(i) (VEC(4))(v[i], v[i + STRIDE_X], v[i + 2 * STRIDE_X], v[i + 3 * STRIDE_X])
    vstore4(FINISH(COLLECT(COLLECT(TAKE(0), TAKE(1)), TAKE(2))), 0,
            output + plane * out_plane + y * out_row + x);
}
#else
/* One output, eight columns at a time. */
__kernel void POOLING(__global const TYPE *input, __global TYPE *output, int row_stride,
                      int plane_stride, int offset, int out_row, int out_plane)
{
    const int x = get_global_id(0);
    const int y = get_global_id(1);
    const int plane = get_global_id(2);
    VEC(8) wide = (VEC(8))(START);
    TYPE result = START;

    input += offset + plane * plane_stride + (y * STRIDE_Y - PAD_TOP) * row_stride + x * STRIDE_X - PAD_LEFT;
    for (int ky = 0; ky < POOL_H; ++ky, input += row_stride) {
        int kx = 0;
        for (; kx <= POOL_W - 8; kx += 8)
            wide = COLLECT(wide, vload8(0, input + kx));
        for (; kx < POOL_W; ++kx)
            result = COLLECT(result, input[kx]);
    }
    const VEC(4) half_wide = COLLECT(wide.lo, wide.hi);
    const VEC(2) quarter = COLLECT(half_wide.lo, half_wide.hi);
    result = COLLECT(result, COLLECT(quarter.s0, quarter.s1));
    output[plane * out_plane + y * out_row + x] = FINISH(result);
}
#endif
#endif
