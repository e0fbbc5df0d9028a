// C (m, n) = alpha * A (m, k) * B (k, n) + beta * C for whole tiles: m is the fast dimension of A
// and C, n that of B. A group computes a tile of MWG x NWG; SA and SB stage tiles of A and B, KWG
// deep, in local memory; a work-item keeps MWI x NWI sums in registers, vectors of VWM along m.
// STRM and STRN spread a work-item's elements over the tile instead of keeping them together.

#if PRECISION == 16
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#define SCALAR half
#else
#define SCALAR float
#endif
#define JOIN_(A, B) A##B
#define JOIN(A, B) JOIN_(A, B)
typedef SCALAR real;
#if VWM == 1
typedef real vector_m;
#else
typedef JOIN(SCALAR, VWM) vector_m;
#endif
#if VWN == 1
typedef real vector_n;
#else
typedef JOIN(SCALAR, VWN) vector_n;
#endif

#define MWI (MWG / MDIMC)
#define NWI (NWG / NDIMC)
#define VECTORS_M (MWI / VWM)
#define VECTORS_N (NWI / VWN)
#define KDIMA ((MDIMC * NDIMC) / MDIMA)
#define KDIMB ((MDIMC * NDIMC) / NDIMB)
#define LOADS_M (MWG / MDIMA / VWM)
#define LOADS_N (NWG / NDIMB / VWN)

#if STRM == 0
#define PLACE_M(I) ((I) + get_local_id(0) * VECTORS_M)
#define LOAD_M(I) ((I) + lane_a * LOADS_M)
#else
#define PLACE_M(I) ((I) * MDIMC + get_local_id(0))
#define LOAD_M(I) ((I) * MDIMA + lane_a)
#endif
#if STRN == 0
#define PLACE_N(I) ((I) + get_local_id(1) * VECTORS_N)
#define LOAD_N(I) ((I) + lane_b * LOADS_N)
#else
#define PLACE_N(I) ((I) * NDIMC + get_local_id(1))
#define LOAD_N(I) ((I) * NDIMB + lane_b)
#endif

__kernel __attribute__((reqd_work_group_size(MDIMC, NDIMC, 1)))
void Xgemm(int size_m, int size_n, int size_k, real alpha, real beta,
           const __global vector_m *restrict a, const __global vector_n *restrict b,
           __global vector_m *c, int b_offset, int c_offset)
{
    const int tile_m = get_group_id(0) * (MWG / VWM);
    const int tile_n = get_group_id(1) * (NWG / VWN);
#if SA == 1 || SB == 1
    const int item = get_local_id(1) * MDIMC + get_local_id(0);
#endif
#if SA == 1
    __local vector_m staged_a[KWG * (MWG / VWM)];
    const int lane_a = item % MDIMA, row_a = item / MDIMA;
#endif
#if SB == 1
    __local vector_n staged_b[KWG * (NWG / VWN)];
    const int lane_b = item % NDIMB, row_b = item / NDIMB;
#endif
    vector_m sums[NWI][VECTORS_M];
#pragma unroll
    for (int n = 0; n < NWI; n++)
#pragma unroll
        for (int m = 0; m < VECTORS_M; m++)
            sums[n][m] = (vector_m)(0);

    for (int k = 0; k < size_k; k += KWG) {
#if SA == 1
#pragma unroll
        for (int j = 0; j < KWG / KDIMA; j++)
#pragma unroll
            for (int i = 0; i < LOADS_M; i++) {
                const int row = j + row_a * (KWG / KDIMA);
                staged_a[row * (MWG / VWM) + LOAD_M(i)] =
                    a[(k + row) * (size_m / VWM) + tile_m + LOAD_M(i)];
            }
#endif
#if SB == 1
#pragma unroll
        for (int j = 0; j < KWG / KDIMB; j++)
#pragma unroll
            for (int i = 0; i < LOADS_N; i++) {
                const int row = j + row_b * (KWG / KDIMB);
                staged_b[row * (NWG / VWN) + LOAD_N(i)] =
                    b[(k + row) * (size_n / VWN) + tile_n + LOAD_N(i) + b_offset];
            }
#endif
#if SA == 1 || SB == 1
        barrier(CLK_LOCAL_MEM_FENCE);
#endif
        for (int step = 0; step < KWG; step += KWI) {
#pragma unroll
            for (int inner = 0; inner < KWI; inner++) {
                const int row = step + inner;
                vector_m left[VECTORS_M];
                union {
                    vector_n vectors[VECTORS_N];
                    real scalars[NWI];
                } right;
#pragma unroll
                for (int m = 0; m < VECTORS_M; m++)
#if SA == 1
                    left[m] = staged_a[row * (MWG / VWM) + PLACE_M(m)];
#else
                    left[m] = a[(k + row) * (size_m / VWM) + tile_m + PLACE_M(m)];
#endif
#pragma unroll
                for (int n = 0; n < VECTORS_N; n++)
#if SB == 1
                    right.vectors[n] = staged_b[row * (NWG / VWN) + PLACE_N(n)];
#else
                    right.vectors[n] = b[(k + row) * (size_n / VWN) + tile_n + PLACE_N(n)
                                         + b_offset];
#endif
#pragma unroll
                for (int n = 0; n < NWI; n++)
#pragma unroll
                    for (int m = 0; m < VECTORS_M; m++)
                        sums[n][m] += left[m] * right.scalars[n];
            }
        }
#if SA == 1 || SB == 1
        barrier(CLK_LOCAL_MEM_FENCE);
#endif
    }

#pragma unroll
    for (int n = 0; n < NWI; n++)
#pragma unroll
        for (int m = 0; m < VECTORS_M; m++) {
            const int column = (tile_n + PLACE_N(n / VWN)) * VWN + n % VWN;
            const int at = column * (size_m / VWM) + tile_m + PLACE_M(m) + c_offset;
            if (beta == 0)
                c[at] = alpha * sums[n][m];
            else
                c[at] = alpha * sums[n][m] + beta * c[at];
        }
}
