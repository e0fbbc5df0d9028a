/* What a fully connected layer needs beside the product. */

#ifdef TRANSPOSE
/* A work-item turns a block of EDGE x EDGE elements. */
#if EDGE == 4
#define LOAD_ALL LOAD(0) LOAD(1) LOAD(2) LOAD(3)
#define COLUMN(s) (VEC(4))(v0.s, v1.s, v2.s, v3.s)
#else
#define LOAD_ALL LOAD(0) LOAD(1) LOAD(2) LOAD(3) LOAD(4) LOAD(5) LOAD(6) LOAD(7)
#define COLUMN(s) (VEC(8))(v0.s, v1.s, v2.s, v3.s, v4.s, v5.s, v6.s, v7.s)
#endif
#define LOAD(i) const VEC(EDGE) v##i = VLOAD(EDGE)(0, input + i * row_stride);
#define STORE(i) VSTORE(EDGE)(COLUMN(s##i), 0, output + i * out_row);

__kernel void transpose(__global const TYPE *input, __global TYPE *output, int row_stride,
                        int out_row)
{
    const int x = get_global_id(0) * EDGE;
    const int y = get_global_id(1) * EDGE;

    input += y * row_stride + x;
    output += x * out_row + y;
    LOAD_ALL
    STORE(0) STORE(1) STORE(2) STORE(3)
#if EDGE == 8
    STORE(4) STORE(5) STORE(6) STORE(7)
#endif
}
#endif

#ifdef FLATTEN
/* A work-item moves one element into its image's row. */
__kernel void flatten(__global const TYPE *input, __global TYPE *output, int row_stride,
                      int plane_stride, int out_row)
{
    const int x = get_global_id(0);
    const int y = get_global_id(1);
    const int z = get_global_id(2) % PLANES;
    const int image = get_global_id(2) / PLANES;

    output[image * out_row + (z * (int)get_global_size(1) + y) * (int)get_global_size(0) + x] =
        input[(int)get_global_id(2) * plane_stride + y * row_stride + x];
}
#endif

#ifdef ACCUMULATE_BIASES
/* A work-item adds VECTOR biases to an image's outputs. */
__kernel void gemm_accumulate_biases(__global TYPE *output, __global const TYPE *bias,
                                     int row_stride)
{
    const int column = get_global_id(0) * VECTOR;
    __global TYPE *at = output + (int)get_global_id(1) * row_stride + column;

    VSTORE(VECTOR)(VLOAD(VECTOR)(0, at) + VLOAD(VECTOR)(0, bias + column), 0, at);
}
#endif
