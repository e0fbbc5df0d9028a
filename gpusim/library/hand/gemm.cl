/* Matrix product by 4x4 blocks, and the two reshapes that feed it.
 *
 * A is interleaved: a row block holds, for each k, the values of 4 rows; so it is 4 * K elements
 * long. B is transposed in the same way, 4 columns a block.
 */
#ifndef TYPE
#define TYPE float
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define VEC4 JOIN(TYPE, 4)

#if HALF
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#endif

#define RANK_ONE(p)                                 \
    {                                               \
        const VEC4 a = vload4(0, row_block + (p));  \
        const VEC4 b = vload4(0, column_block + (p)); \
        c0 += a.s0 * b;                             \
        c1 += a.s1 * b;                             \
        c2 += a.s2 * b;                             \
        c3 += a.s3 * b;                             \
    }

/* Three values of k per iteration; `block_length` = 4 * K. */
__kernel void gemm_interleaved_transposed_vec4(const int n, const int block_length,
                                               __global const TYPE *interleaved_a,
                                               __global const TYPE *transposed_b,
                                               __global TYPE *c)
{
    const int column = get_global_id(0) * 4;
    const int row = get_global_id(1) * 4;
    __global const TYPE *row_block = interleaved_a + get_global_id(1) * block_length;
    __global const TYPE *column_block = transposed_b + get_global_id(0) * block_length;
    VEC4 c0 = 0, c1 = 0, c2 = 0, c3 = 0;

    for (int p = 0; p < block_length; p += 12) {
        RANK_ONE(p)
        RANK_ONE(p + 4)
        RANK_ONE(p + 8)
    }
    vstore4(c0, 0, c + row * n + column);
    vstore4(c1, 0, c + (row + 1) * n + column);
    vstore4(c2, 0, c + (row + 2) * n + column);
    vstore4(c3, 0, c + (row + 3) * n + column);
}

/* A 4x4 block of A, transposed into its row block. */
__kernel void mat_interleave_vec4(const int k, __global const TYPE *a,
                                  __global TYPE *interleaved_a)
{
    const int x = get_global_id(0);
    const int y = get_global_id(1);
    __global const TYPE *block = a + 4 * y * k + 4 * x;
    const VEC4 r0 = vload4(0, block);
    const VEC4 r1 = vload4(0, block + k);
    const VEC4 r2 = vload4(0, block + 2 * k);
    const VEC4 r3 = vload4(0, block + 3 * k);
    __global TYPE *out = interleaved_a + y * 4 * k + 16 * x;

    vstore4((VEC4)(r0.s0, r1.s0, r2.s0, r3.s0), 0, out);
    vstore4((VEC4)(r0.s1, r1.s1, r2.s1, r3.s1), 1, out);
    vstore4((VEC4)(r0.s2, r1.s2, r2.s2, r3.s2), 2, out);
    vstore4((VEC4)(r0.s3, r1.s3, r2.s3, r3.s3), 3, out);
}

/* Four values of one row of B, moved into their column block. */
__kernel void mat_trans_vec4(const int n, const int k, __global const TYPE *b,
                             __global TYPE *transposed_b)
{
    const int x = get_global_id(0);
    const int y = get_global_id(1);

    vstore4(vload4(0, b + y * n + 4 * x), 0, transposed_b + x * 4 * k + 4 * y);
}
