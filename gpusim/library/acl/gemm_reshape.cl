/* Matrices into the blocks that the reshaping forms of the product read. */

#ifdef LHS_T
/* A work-item takes 4 x 4 elements of A and leaves, for each of four k, the four rows side by
 * side; what lies behind the last k is zero.
 */
__kernel void gemm_reshape_lhs_matrix_t(__global const TYPE *a, __global TYPE *blocks, int a_row,
                                        int a_plane, int row_stride, int plane_stride)
{
    const int k = get_global_id(0) * 4;
    const int block = get_global_id(1);
    const int plane = get_global_id(2);
    __global TYPE *to = blocks + plane * plane_stride + block / V0 * row_stride + k * 4 * V0
                        + block % V0 * 4;

    a += plane * a_plane + block * 4 * a_row + k;
    VEC(4) a0 = vload4(0, a);
    VEC(4) a1 = vload4(0, a + a_row);
    VEC(4) a2 = vload4(0, a + 2 * a_row);
    VEC(4) a3 = vload4(0, a + 3 * a_row);
#if COLS_A % 4
#define CUT(i) \
    if (k + i >= COLS_A) \
        a0.s##i = a1.s##i = a2.s##i = a3.s##i = (TYPE)0;
    CUT(1) CUT(2) CUT(3)
#endif
    vstore4((VEC(4))(a0.s0, a1.s0, a2.s0, a3.s0), 0, to);
    vstore4((VEC(4))(a0.s1, a1.s1, a2.s1, a3.s1), 0, to + 4 * V0);
    vstore4((VEC(4))(a0.s2, a1.s2, a2.s2, a3.s2), 0, to + 8 * V0);
    vstore4((VEC(4))(a0.s3, a1.s3, a2.s3, a3.s3), 0, to + 12 * V0);
}
#endif

#ifdef LHS_NT
/* A work-item takes M0 x K0 elements of A and leaves them row by row. */
#ifdef LHS_INTERLEAVE
#define BLOCK K0
#define STEP (K0 * V0)
#else
#define BLOCK (M0 * K0)
#define STEP K0
#endif

#if COLS_A % K0
#define CUT(i) \
    if (k + i >= COLS_A) \
        v.s##i = (TYPE)0;
#else
#define CUT(i)
#endif
#if K0 == 2
#define CUT_ALL CUT(1)
#elif K0 == 4
#define CUT_ALL CUT(1) CUT(2) CUT(3)
#else
#define CUT_ALL CUT(1) CUT(2) CUT(3) CUT(4) CUT(5) CUT(6) CUT(7)
#endif

__kernel void gemm_reshape_lhs_matrix_nt(__global const TYPE *a, __global TYPE *blocks, int a_row,
                                         int a_plane, int row_stride, int plane_stride)
{
    const int k = get_global_id(0) * K0;
    const int block = get_global_id(1);
    const int plane = get_global_id(2);
    __global TYPE *to = blocks + plane * plane_stride + block / V0 * row_stride + k * M0 * V0
                        + block % V0 * BLOCK;

    a += plane * a_plane + block * M0 * a_row + k;
#pragma unroll
    for (int row = 0; row < M0; ++row) {
        VEC(K0) v = VLOAD(K0)(0, a + row * a_row);
        CUT_ALL
        VSTORE(K0)(v, 0, to + row * STEP);
    }
}
#endif

#ifdef RHS_NT
/* A work-item takes N0 elements of a row of B. */
__kernel void gemm_reshape_rhs_matrix_nt(__global const TYPE *b, __global TYPE *blocks, int b_row,
                                         int b_plane, int row_stride, int plane_stride)
{
    const int block = get_global_id(0);
    const int k = get_global_id(1);
    const int plane = get_global_id(2);
    const VEC(N0) v = VLOAD(N0)(0, b + plane * b_plane + k * b_row + block * N0);

    VSTORE(N0)(v, 0, blocks + plane * plane_stride + block / H0 * row_stride + k * N0 * H0
                         + block % H0 * N0);
}
#endif

#ifdef RHS_T
/* A work-item takes K0 x N0 elements of B and leaves them column by column; rows behind the last
 * are zero.
 */
#ifdef RHS_INTERLEAVE
#define BLOCK K0
#define STEP (K0 * H0)
#else
#define BLOCK (N0 * K0)
#define STEP K0
#endif

#define ROW(i) \
    VEC(N0) b##i = (VEC(N0))((TYPE)0); \
    if (k + i < rows) \
        b##i = VLOAD(N0)(0, b + i * b_row);
#if K0 == 2
#define LOAD ROW(0) ROW(1)
#define COLUMN(s) (VEC(K0))(b0.s, b1.s)
#elif K0 == 4
#define LOAD ROW(0) ROW(1) ROW(2) ROW(3)
#define COLUMN(s) (VEC(K0))(b0.s, b1.s, b2.s, b3.s)
#else
#define LOAD ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7)
#define COLUMN(s) (VEC(K0))(b0.s, b1.s, b2.s, b3.s, b4.s, b5.s, b6.s, b7.s)
#endif

__kernel void gemm_reshape_rhs_matrix_t(__global const TYPE *b, __global TYPE *blocks, int rows,
                                        int b_row, int b_plane, int row_stride, int plane_stride)
{
    const int block = get_global_id(0);
    const int k = get_global_id(1) * K0;
    const int plane = get_global_id(2);
    __global TYPE *to = blocks + plane * plane_stride + block / H0 * row_stride + k * N0 * H0
                        + block % H0 * BLOCK;

    b += plane * b_plane + k * b_row + block * N0;
    LOAD
    VSTORE(K0)(COLUMN(s0), 0, to);
    VSTORE(K0)(COLUMN(s1), 0, to + STEP);
#if N0 == 4
    VSTORE(K0)(COLUMN(s2), 0, to + 2 * STEP);
    VSTORE(K0)(COLUMN(s3), 0, to + 3 * STEP);
#endif
}
#endif
