/* Matrix products: C = A x B, plane by plane. The macro of a form is the name of its kernel. */

#if defined(GEMM_RESHAPED)
#define ROWS M0
#elif defined(GEMM_INTERLEAVED)
#define ROWS 4
#endif

#if ROWS == 1
#define EACH_ROW(X) X(0)
#elif ROWS == 2
#define EACH_ROW(X) X(0) X(1)
#elif ROWS == 3
#define EACH_ROW(X) X(0) X(1) X(2)
#elif ROWS == 4
#define EACH_ROW(X) X(0) X(1) X(2) X(3)
#else
#define EACH_ROW(X) X(0) X(1) X(2) X(3) X(4)
#endif

#ifdef ADD_BIAS
#define BIASED(r) sum##r += vector;
#define ADD_VECTOR \
    const VEC(COLUMNS) vector = VLOAD(COLUMNS)(0, bias + column); \
    EACH_ROW(BIASED)
#else
#define ADD_VECTOR
#endif

#ifdef GEMM_NATIVE
/* A work-item makes ROWS x COLUMNS elements of C, DEPTH products at a time, then one by one. It
 * checks no edge: rows and columns are padded.
 */
#define ZERO(r) VEC(COLUMNS) sum##r = (VEC(COLUMNS))((TYPE)0);
#define LOAD_A(r) const VEC(DEPTH) a##r = VLOAD(DEPTH)(0, a + r * a_row + k);
#define LOAD_B(i) const VEC(COLUMNS) b##i = VLOAD(COLUMNS)(0, b + i * b_row);
#define ADD_ROW(r, i) sum##r += a##r.s##i * b##i;
#define ADD0(r) ADD_ROW(r, 0)
#define ADD1(r) ADD_ROW(r, 1)
#define ADD2(r) ADD_ROW(r, 2)
#define ADD3(r) ADD_ROW(r, 3)
#define ADD4(r) ADD_ROW(r, 4)
#define ADD5(r) ADD_ROW(r, 5)
#define ADD6(r) ADD_ROW(r, 6)
#define ADD7(r) ADD_ROW(r, 7)
#define ADD_ONE(r) sum##r += a[r * a_row + k] * last;
#define STORE(r) VSTORE(COLUMNS)(sum##r, 0, c + r * c_row);

__kernel void GEMM_NATIVE(__global const TYPE *a, __global const TYPE *b,
                          __global const TYPE *bias, __global TYPE *c, int a_row, int a_plane,
                          int b_row, int b_plane, int c_row, int c_plane)
{
    const int column = get_global_id(0) * COLUMNS;
    const int row = get_global_id(1) * ROWS;
    const int plane = get_global_id(2);

    EACH_ROW(ZERO)
    a += plane * a_plane + row * a_row;
    b += plane % B_PLANES * b_plane + column;
    int k = 0;
    for (; k <= COLS_A - DEPTH; k += DEPTH) {
        EACH_ROW(LOAD_A)
        LOAD_B(0)
        LOAD_B(1)
#if DEPTH > 2
        LOAD_B(2)
        LOAD_B(3)
#endif
#if DEPTH > 4
        LOAD_B(4)
        LOAD_B(5)
        LOAD_B(6)
        LOAD_B(7)
#endif
        EACH_ROW(ADD0)
        EACH_ROW(ADD1)
#if DEPTH > 2
        EACH_ROW(ADD2)
        EACH_ROW(ADD3)
#endif
#if DEPTH > 4
        EACH_ROW(ADD4)
        EACH_ROW(ADD5)
        EACH_ROW(ADD6)
        EACH_ROW(ADD7)
#endif
        b += DEPTH * b_row;
    }
    for (; k < COLS_A; ++k) {
        const VEC(COLUMNS) last = VLOAD(COLUMNS)(0, b);
        EACH_ROW(ADD_ONE)
        b += b_row;
    }
    ADD_VECTOR
    c += plane * c_plane + row * c_row + column;
    EACH_ROW(STORE)
}
#endif

#ifdef GEMM_INTERLEAVED
/* A work-item makes 4 x COLUMNS elements of C. Both matrices lie in blocks: for every k four rows
 * of A and COLUMNS columns of B, V0 and H0 blocks side by side.
 */
#define UNROLL (V0 == 2 ? 4 : 2)
#define ZERO(r) VEC(COLUMNS) sum##r = (VEC(COLUMNS))((TYPE)0);
#define PRODUCT \
    { \
        const VEC(4) va = vload4(0, a); \
        const VEC(COLUMNS) vb = VLOAD(COLUMNS)(0, b); \
        sum0 += va.s0 * vb; \
        sum1 += va.s1 * vb; \
        sum2 += va.s2 * vb; \
        sum3 += va.s3 * vb; \
        a += 4 * V0; \
        b += COLUMNS * H0; \
    }
#define STORE(r) VSTORE(COLUMNS)(sum##r, 0, c + r * c_row);

__kernel void GEMM_INTERLEAVED(__global const TYPE *a, __global const TYPE *b,
                               __global const TYPE *bias, __global TYPE *c, int a_row,
                               int a_plane, int b_row, int b_plane, int c_row, int c_plane)
{
    const int block_column = get_global_id(0);
    const int block_row = get_global_id(1);
    const int plane = get_global_id(2);
    const int column = block_column * COLUMNS;

    EACH_ROW(ZERO)
    a += plane * a_plane + block_row / V0 * a_row + block_row % V0 * 4;
    b += plane % B_PLANES * b_plane + block_column / H0 * b_row + block_column % H0 * COLUMNS;
    int k = 0;
    for (; k <= COLS_A - UNROLL; k += UNROLL) {
        PRODUCT
        PRODUCT
#if V0 == 2
        PRODUCT
        PRODUCT
#endif
    }
    for (; k < COLS_A; ++k)
        PRODUCT
    ADD_VECTOR
    c += plane * c_plane + block_row * 4 * c_row + column;
    EACH_ROW(STORE)
}
#endif

#ifdef GEMM_RESHAPED
/* A work-item makes M0 x N0 elements of C as scalar products of K0 elements at a time; blocks of
 * A lie V0, blocks of B H0 side by side.
 */
#ifdef LHS_INTERLEAVE
#define A_BLOCK K0
#define A_STEP (K0 * V0)
#else
#define A_BLOCK (M0 * K0)
#define A_STEP K0
#endif
#ifdef RHS_INTERLEAVE
#define B_BLOCK K0
#define B_STEP (K0 * H0)
#else
#define B_BLOCK (N0 * K0)
#define B_STEP K0
#endif

#if K0 == 2
#define DOT(sum, x, y) \
    sum += x.s0 * y.s0; \
    sum += x.s1 * y.s1;
#elif K0 == 4
#define DOT(sum, x, y) \
    sum += x.s0 * y.s0; \
    sum += x.s1 * y.s1; \
    sum += x.s2 * y.s2; \
    sum += x.s3 * y.s3;
#else
#define DOT(sum, x, y) \
    sum += x.s0 * y.s0; \
    sum += x.s1 * y.s1; \
    sum += x.s2 * y.s2; \
    sum += x.s3 * y.s3; \
    sum += x.s4 * y.s4; \
    sum += x.s5 * y.s5; \
    sum += x.s6 * y.s6; \
    sum += x.s7 * y.s7;
#endif

#define ZERO(r) VEC(N0) sum##r = (VEC(N0))((TYPE)0);
#define LOAD_A(r) const VEC(K0) a##r = VLOAD(K0)(0, a + r * A_STEP);
#if N0 == 2
#define MULTIPLY(r) \
    DOT(sum##r.s0, a##r, b0) \
    DOT(sum##r.s1, a##r, b1)
#else
#define MULTIPLY(r) \
    DOT(sum##r.s0, a##r, b0) \
    DOT(sum##r.s1, a##r, b1) \
    DOT(sum##r.s2, a##r, b2) \
    DOT(sum##r.s3, a##r, b3)
#endif
#define STORE(r) VSTORE(N0)(sum##r, 0, c + r * c_row);

__kernel void gemm_mm_reshaped_lhs_nt_rhs_t(__global const TYPE *a, __global const TYPE *b,
                                            __global TYPE *c, int a_row, int a_plane, int b_row,
                                            int b_plane, int c_row, int c_plane)
{
    const int block_column = get_global_id(0);
    const int block_row = get_global_id(1);
    const int plane = get_global_id(2);

    EACH_ROW(ZERO)
    a += plane * a_plane + block_row / V0 * a_row + block_row % V0 * A_BLOCK;
    b += plane % B_PLANES * b_plane + block_column / H0 * b_row + block_column % H0 * B_BLOCK;
    for (int k = 0; k < COLS_A; k += K0) {
        EACH_ROW(LOAD_A)
        const VEC(K0) b0 = VLOAD(K0)(0, b);
        const VEC(K0) b1 = VLOAD(K0)(0, b + B_STEP);
#if N0 == 4
        const VEC(K0) b2 = VLOAD(K0)(0, b + 2 * B_STEP);
        const VEC(K0) b3 = VLOAD(K0)(0, b + 3 * B_STEP);
#endif
        EACH_ROW(MULTIPLY)
        a += M0 * K0 * V0;
        b += N0 * K0 * H0;
    }
    c += plane * c_plane + block_row * M0 * c_row + block_column * N0;
    EACH_ROW(STORE)
}
#endif
