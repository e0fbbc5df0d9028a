// C (m, n) = alpha * A (m, k) * B (k, n) + beta * C for any sizes, without copies around it. A
// group computes a tile of WGD x WGD through local memory, a work-item MWID x NWID of it. Groups
// inside the matrix load vectors where rows allow it; groups at its edge check every element.
// The letters of a kernel's name say whether A and B are transposed: T = the dimension that the
// tile's columns run along is not the fast one.

#if PRECISION == 16
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#define SCALAR half
#else
#define SCALAR float
#endif
#define JOIN_(A, B) A##B
#define JOIN(A, B) JOIN_(A, B)
typedef SCALAR real;

#define MWID (WGD / MDIMCD)
#define NWID (WGD / NDIMCD)
#define KDIMAD ((MDIMCD * NDIMCD) / MDIMAD)
#define KDIMBD ((MDIMCD * NDIMCD) / NDIMBD)
#define ROW_A (WGD + PADA)
#define ROW_B (WGD + PADB)

// Vectors of V elements of a tile whose first element is (one, two) of the matrix into `target`,
// LANES work-items along the fast dimension. A tile is kept with k as its slow dimension, so
// that a transposed one is turned on the way.
#define LOAD_VECTORS(V, LANES, DEPTH, ROW, TARGET, SOURCE, LD, OFFSET, ONE, TWO, IS_TURNED)    \
    {                                                                                          \
        const int lane = item % LANES, row0 = item / LANES;                                    \
        _Pragma("unroll")                                                                      \
        for (int i = 0; i < WGD / LANES / V; i++)                                              \
            _Pragma("unroll")                                                                  \
            for (int j = 0; j < WGD / DEPTH; j++) {                                            \
                const int one = (i + lane * (WGD / LANES / V)) * V;                            \
                const int two = j + row0 * (WGD / DEPTH);                                      \
                const __global real *from = SOURCE + ((TWO) + two) * LD + (ONE) + one + OFFSET;\
                real loaded[V];                                                                \
                LOAD_##V(loaded, from);                                                        \
                _Pragma("unroll")                                                              \
                for (int v = 0; v < V; v++)                                                    \
                    TARGET[(IS_TURNED) ? (one + v) * ROW + two : two * ROW + one + v] =        \
                        loaded[v];                                                             \
            }                                                                                  \
    }
#define LOAD_1(TO, FROM) TO[0] = *(FROM)
#define LOAD_2(TO, FROM)                                                                       \
    { const JOIN(SCALAR, 2) w = *(const __global JOIN(SCALAR, 2) *)(FROM);                     \
      TO[0] = w.s0; TO[1] = w.s1; }
#define LOAD_4(TO, FROM)                                                                       \
    { const JOIN(SCALAR, 4) w = *(const __global JOIN(SCALAR, 4) *)(FROM);                     \
      TO[0] = w.s0; TO[1] = w.s1; TO[2] = w.s2; TO[3] = w.s3; }
#define LOAD_VECTORS_(V, ...) LOAD_VECTORS(V, __VA_ARGS__)

#define LOAD_CHECKED(LANES, DEPTH, ROW, TARGET, SOURCE, LD, OFFSET, ONE, TWO, IS_TURNED,       \
                     END_ONE, END_TWO)                                                         \
    {                                                                                          \
        const int lane = item % LANES, row0 = item / LANES;                                    \
        _Pragma("unroll")                                                                      \
        for (int i = 0; i < WGD / LANES; i++)                                                  \
            _Pragma("unroll")                                                                  \
            for (int j = 0; j < WGD / DEPTH; j++) {                                            \
                const int one = i + lane * (WGD / LANES);                                      \
                const int two = j + row0 * (WGD / DEPTH);                                      \
                real value = 0;                                                                \
                if ((ONE) + one < (END_ONE) && (TWO) + two < (END_TWO))                        \
                    value = SOURCE[((TWO) + two) * LD + (ONE) + one + OFFSET];                 \
                TARGET[(IS_TURNED) ? one * ROW + two : two * ROW + one] = value;               \
            }                                                                                  \
    }

#define MULTIPLY(LEFT, RIGHT)                                                                  \
    _Pragma("unroll")                                                                          \
    for (int n = 0; n < NWID; n++)                                                             \
        _Pragma("unroll")                                                                      \
        for (int m = 0; m < MWID; m++)                                                         \
            sums[n * MWID + m] += LEFT[m] * RIGHT[n];

// One tile of A and B in local memory, multiplied.
#define MULTIPLY_TILES                                                                         \
    barrier(CLK_LOCAL_MEM_FENCE);                                                              \
    for (int step = 0; step < WGD; step += KWID) {                                             \
        _Pragma("unroll")                                                                      \
        for (int inner = 0; inner < KWID; inner++) {                                           \
            real left[MWID], right[NWID];                                                      \
            _Pragma("unroll")                                                                  \
            for (int m = 0; m < MWID; m++)                                                     \
                left[m] = tile_a[(step + inner) * ROW_A + local_m + m];                        \
            _Pragma("unroll")                                                                  \
            for (int n = 0; n < NWID; n++)                                                     \
                right[n] = tile_b[(step + inner) * ROW_B + local_n + n];                       \
            MULTIPLY(left, right)                                                              \
        }                                                                                      \
    }                                                                                          \
    barrier(CLK_LOCAL_MEM_FENCE);

#define AT_A(K) (A_TURNED ? a[(first_m + m) * a_ld + (K) + a_offset]                           \
                          : a[(K) * a_ld + first_m + m + a_offset])
#define AT_B(K) (B_TURNED ? b[(first_n + n) * b_ld + (K) + b_offset]                           \
                          : b[(K) * b_ld + first_n + n + b_offset])

// The rest of k, straight from global memory.
#define MULTIPLY_REST(IS_M, IS_N)                                                              \
    for (; k < size_k; k++) {                                                                  \
        real left[MWID], right[NWID];                                                          \
        _Pragma("unroll")                                                                      \
        for (int m = 0; m < MWID; m++)                                                         \
            left[m] = (IS_M) ? AT_A(k) : (real)0;                                              \
        _Pragma("unroll")                                                                      \
        for (int n = 0; n < NWID; n++)                                                         \
            right[n] = (IS_N) ? AT_B(k) : (real)0;                                             \
        MULTIPLY(left, right)                                                                  \
    }

#define STORE(IS_INSIDE)                                                                       \
    _Pragma("unroll")                                                                          \
    for (int n = 0; n < NWID; n++)                                                             \
        _Pragma("unroll")                                                                      \
        for (int m = 0; m < MWID; m++)                                                         \
            if (IS_INSIDE) {                                                                   \
                const int at = (c_transposed ? (first_m + m) * c_ld + first_n + n              \
                                             : (first_n + n) * c_ld + first_m + m) + c_offset; \
                c[at] = beta == 0 ? alpha * sums[n * MWID + m]                                 \
                                  : alpha * sums[n * MWID + m] + beta * c[at];                 \
            }

#define ONE_A (A_TURNED ? k : tile_m)
#define TWO_A (A_TURNED ? tile_m : k)
#define ONE_B (B_TURNED ? k : tile_n)
#define TWO_B (B_TURNED ? tile_n : k)
#define LOADS(LOAD_A, LOAD_B)                                                                  \
    for (; k < whole_k; k += WGD) {                                                            \
        LOAD_A                                                                                 \
        LOAD_B                                                                                 \
        MULTIPLY_TILES                                                                         \
    }

__kernel __attribute__((reqd_work_group_size(MDIMCD, NDIMCD, 1)))
void NAME(int size_m, int size_n, int size_k, real alpha, real beta,
          const __global real *restrict a, int a_offset, int a_ld,
          const __global real *restrict b, int b_offset, int b_ld,
          __global real *c, int c_offset, int c_ld, int c_transposed)
{
    __local real tile_a[WGD * ROW_A], tile_b[WGD * ROW_B];
    const int item = get_local_id(1) * MDIMCD + get_local_id(0);
    const int tile_m = get_group_id(0) * WGD, tile_n = get_group_id(1) * WGD;
    const int local_m = get_local_id(0) * MWID, local_n = get_local_id(1) * NWID;
    const int first_m = tile_m + local_m, first_n = tile_n + local_n;
    const int whole_k = size_k / WGD * WGD;
    int k = 0;
    real sums[NWID * MWID];
#pragma unroll
    for (int i = 0; i < NWID * MWID; i++)
        sums[i] = 0;

    if (tile_m + WGD <= size_m && tile_n + WGD <= size_n) {
        const int vectors_a = a_ld % VWMD == 0 && a_offset % VWMD == 0;
        const int vectors_b = b_ld % VWND == 0 && b_offset % VWND == 0;
        LOADS(
            if (vectors_a)
                LOAD_VECTORS_(VWMD, MDIMAD, KDIMAD, ROW_A, tile_a, a, a_ld, a_offset,
                              ONE_A, TWO_A, A_TURNED)
            else
                LOAD_VECTORS_(1, MDIMAD, KDIMAD, ROW_A, tile_a, a, a_ld, a_offset,
                              ONE_A, TWO_A, A_TURNED),
            if (vectors_b)
                LOAD_VECTORS_(VWND, NDIMBD, KDIMBD, ROW_B, tile_b, b, b_ld, b_offset,
                              ONE_B, TWO_B, B_TURNED)
            else
                LOAD_VECTORS_(1, NDIMBD, KDIMBD, ROW_B, tile_b, b, b_ld, b_offset,
                              ONE_B, TWO_B, B_TURNED))
        MULTIPLY_REST(1, 1)
        STORE(1)
    } else {
        LOADS(
            LOAD_CHECKED(MDIMAD, KDIMAD, ROW_A, tile_a, a, a_ld, a_offset, ONE_A, TWO_A, A_TURNED,
                         A_TURNED ? size_k : size_m, A_TURNED ? size_m : size_k),
            LOAD_CHECKED(NDIMBD, KDIMBD, ROW_B, tile_b, b, b_ld, b_offset, ONE_B, TWO_B, B_TURNED,
                         B_TURNED ? size_k : size_n, B_TURNED ? size_n : size_k))
        MULTIPLY_REST(first_m + m < size_m, first_n + n < size_n)
        STORE(first_m + m < size_m && first_n + n < size_n)
    }
}
