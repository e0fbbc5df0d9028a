/* Direct convolution. Eight outputs of a row per work-item, or a tile of four columns. */

#define READS (7 * STRIDE_X + KERNEL)

#ifdef DIRECT_NHWC
/* Eight columns of one channel. Columns outside the image are padding that holds zeros; rows
 * outside are passed over.
 */
#define TAKE(i) \
    (VEC(8))(v[i], v[i + STRIDE_X], v[i + 2 * STRIDE_X], v[i + 3 * STRIDE_X], v[i + 4 * STRIDE_X], \
             v[i + 5 * STRIDE_X], v[i + 6 * STRIDE_X], v[i + 7 * STRIDE_X])

__kernel void DIRECT(__global const TYPE *input, __global const TYPE *weights,
                     __global const TYPE *bias, __global TYPE *output, int row_stride,
                     int plane_stride, int offset, int out_row, int out_plane, int out_offset)
{
    const int channel = get_global_id(0);
    const int x = get_global_id(1) * 8;
    const int y = get_global_id(2);
    VEC(8) sum = (VEC(8))((TYPE)0);

    input += offset + (x * STRIDE_X - PAD_LEFT) * row_stride;
    weights += channel * KERNEL * KERNEL * CHANNELS;
    for (int c = 0; c < CHANNELS; ++c) {
#pragma unroll
        for (int ky = 0; ky < KERNEL; ++ky) {
            const int in_y = y * STRIDE_Y - PAD_TOP + ky;
            if (in_y >= 0 && in_y < SRC_H) {
                __global const TYPE *from = input + in_y * plane_stride + c;
                TYPE v[READS];
#pragma unroll
                for (int i = 0; i < READS; ++i)
                    v[i] = from[i * row_stride];
#pragma unroll
                for (int kx = 0; kx < KERNEL; ++kx)
                    sum += weights[(ky * KERNEL + kx) * CHANNELS + c] * TAKE(kx);
            }
        }
    }
#ifdef HAS_BIAS
    sum += bias[channel];
#endif
    output += out_offset + y * out_plane + x * out_row + channel;
    output[0] = sum.s0;
    output[out_row] = sum.s1;
    output[2 * out_row] = sum.s2;
    output[3 * out_row] = sum.s3;
    output[4 * out_row] = sum.s4;
    output[5 * out_row] = sum.s5;
    output[6 * out_row] = sum.s6;
    output[7 * out_row] = sum.s7;
}
#endif

#ifdef DIRECT_NCHW
/* Eight columns of one row, rows of the input as vectors. */
#if KERNEL == 1 && STRIDE_X == 1
#define ROW(p) \
    const VEC(8) v = vload8(0, p); \
    sum += weights[0] * v;
#elif KERNEL == 1
#define ROW(p) \
    const VEC(16) v = vload16(0, p); \
    sum += weights[0] * v.even;
#elif KERNEL == 3 && STRIDE_X == 1
#define ROW(p) \
    const VEC(8) v = vload8(0, p); \
    const VEC(2) e = vload2(0, (p) + 8); \
    const VEC(3) w = vload3(0, weights); \
    sum += w.s0 * v; \
    sum += w.s1 * (VEC(8))(v.s1234, v.s567, e.s0); \
    sum += w.s2 * (VEC(8))(v.s2345, v.s67, e);
#elif KERNEL == 3
#define ROW(p) \
    const VEC(16) v = vload16(0, p); \
    const TYPE e = (p)[16]; \
    const VEC(3) w = vload3(0, weights); \
    sum += w.s0 * v.even; \
    sum += w.s1 * v.odd; \
    sum += w.s2 * (VEC(8))(v.s2468, v.sace, e);
#elif STRIDE_X == 1
#define ROW(p) \
    const VEC(8) v = vload8(0, p); \
    const VEC(4) e = vload4(0, (p) + 8); \
    const VEC(4) w = vload4(0, weights); \
    sum += w.s0 * v; \
    sum += w.s1 * (VEC(8))(v.s1234, v.s567, e.s0); \
    sum += w.s2 * (VEC(8))(v.s2345, v.s67, e.s01); \
    sum += w.s3 * (VEC(8))(v.s3456, v.s7, e.s012); \
    sum += weights[4] * (VEC(8))(v.s4567, e);
#else
#define ROW(p) \
    const VEC(16) v = vload16(0, p); \
    const VEC(4) e = vload4(0, (p) + 16); \
    const VEC(4) w = vload4(0, weights); \
    sum += w.s0 * v.even; \
    sum += w.s1 * v.odd; \
    sum += w.s2 * (VEC(8))(v.s2468, v.sace, e.s0); \
    sum += w.s3 * (VEC(8))(v.s3579, v.sbdf, e.s1); \
    sum += weights[4] * (VEC(8))(v.s468a, v.sce, e.s02);
#endif

__kernel void DIRECT(__global const TYPE *input, __global const TYPE *weights,
                     __global const TYPE *bias, __global TYPE *output, int row_stride,
                     int plane_stride, int offset, int out_row, int out_plane, int out_offset)
{
    const int x = get_global_id(0) * 8;
    const int y = get_global_id(1);
    const int channel = get_global_id(2);
    VEC(8) sum = (VEC(8))((TYPE)0);

    input += offset + (y * STRIDE_Y - PAD_TOP) * row_stride + x * STRIDE_X - PAD_LEFT;
    weights += channel * KERNEL * KERNEL * CHANNELS;
    for (int c = 0; c < CHANNELS; ++c) {
#pragma unroll
        for (int ky = 0; ky < KERNEL; ++ky) {
            ROW(input + ky * row_stride)
            weights += KERNEL;
        }
        input += plane_stride;
    }
#ifdef HAS_BIAS
    sum += bias[channel];
#endif
    vstore8(sum, 0, output + out_offset + channel * out_plane + y * out_row + x);
}
#endif

#ifdef DIRECT_BIFROST
/* A tile of four columns and ROWS rows; every row of the input is read once per channel. */
#if KERNEL == 1
#define ROWS 4
#define LOAD(p, r) const VEC(4) v##r = vload4(0, (p) + r * row_stride);
#define APPLY(s, r, ky) s += w * v##r;
#elif KERNEL == 3
#define ROWS 3
#define LOAD(p, r) \
    const VEC(4) v##r = vload4(0, (p) + r * row_stride); \
    const VEC(2) e##r = vload2(0, (p) + r * row_stride + 4);
#define APPLY(s, r, ky) \
    s += w##ky.s0 * v##r; \
    s += w##ky.s1 * (VEC(4))(v##r.s123, e##r.s0); \
    s += w##ky.s2 * (VEC(4))(v##r.s23, e##r);
#else
#define ROWS 2
#define LOAD(p, r) const VEC(8) v##r = vload8(0, (p) + r * row_stride);
#define APPLY(s, r, ky) \
    s += w##ky.s0 * v##r.s0123; \
    s += w##ky.s1 * v##r.s1234; \
    s += w##ky.s2 * v##r.s2345; \
    s += w##ky.s3 * v##r.s3456; \
    s += x##ky * v##r.s4567;
#endif

__kernel void DIRECT(__global const TYPE *input, __global const TYPE *weights,
                     __global const TYPE *bias, __global TYPE *output, int row_stride,
                     int plane_stride, int offset, int out_row, int out_plane, int out_offset)
{
    const int x = get_global_id(0) * 4;
    const int y = get_global_id(1) * ROWS;
    const int channel = get_global_id(2);
    VEC(4) sum0 = (VEC(4))((TYPE)0);
    VEC(4) sum1 = (VEC(4))((TYPE)0);
    VEC(4) sum2 = (VEC(4))((TYPE)0);
    VEC(4) sum3 = (VEC(4))((TYPE)0);

    input += offset + (y - PAD_TOP) * row_stride + x - PAD_LEFT;
    weights += channel * KERNEL * KERNEL * CHANNELS;
    for (int c = 0; c < CHANNELS; ++c) {
        LOAD(input, 0)
        LOAD(input, 1)
        LOAD(input, 2)
        LOAD(input, 3)
#if KERNEL == 1
        const TYPE w = *weights;
        APPLY(sum0, 0, 0)
        APPLY(sum1, 1, 0)
        APPLY(sum2, 2, 0)
        APPLY(sum3, 3, 0)
#elif KERNEL == 3
        LOAD(input, 4)
        const VEC(3) w0 = vload3(0, weights);
        const VEC(3) w1 = vload3(0, weights + 3);
        const VEC(3) w2 = vload3(0, weights + 6);
        APPLY(sum0, 0, 0)
        APPLY(sum0, 1, 1)
        APPLY(sum0, 2, 2)
        APPLY(sum1, 1, 0)
        APPLY(sum1, 2, 1)
        APPLY(sum1, 3, 2)
        APPLY(sum2, 2, 0)
        APPLY(sum2, 3, 1)
        APPLY(sum2, 4, 2)
#else
        LOAD(input, 4)
        LOAD(input, 5)
#define FILTER(ky) \
    const VEC(4) w##ky = vload4(0, weights + 5 * ky); \
    const TYPE x##ky = weights[5 * ky + 4];
        FILTER(0)
        FILTER(1)
        FILTER(2)
        FILTER(3)
        FILTER(4)
        APPLY(sum0, 0, 0)
        APPLY(sum0, 1, 1)
        APPLY(sum0, 2, 2)
        APPLY(sum0, 3, 3)
        APPLY(sum0, 4, 4)
        APPLY(sum1, 1, 0)
        APPLY(sum1, 2, 1)
        APPLY(sum1, 3, 2)
        APPLY(sum1, 4, 3)
        APPLY(sum1, 5, 4)
#endif
        input += plane_stride;
        weights += KERNEL * KERNEL;
    }
#ifdef HAS_BIAS
    sum0 += bias[channel];
    sum1 += bias[channel];
    sum2 += bias[channel];
    sum3 += bias[channel];
#endif
    output += out_offset + channel * out_plane + y * out_row + x;
    vstore4(sum0, 0, output);
    vstore4(sum1, 0, output + out_row);
#if ROWS > 2
    vstore4(sum2, 0, output + 2 * out_row);
#endif
#if ROWS > 3
    vstore4(sum3, 0, output + 3 * out_row);
#endif
}
#endif
