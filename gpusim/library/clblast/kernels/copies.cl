// Copies of a matrix into another shape: padded with zeros, cut, transposed, scaled.
// "One" is the fast dimension of a matrix, "two" the slow one, ld the distance of its rows.

#if PRECISION == 16
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
typedef half real;
typedef half2 real2;
typedef half4 real4;
typedef half8 real8;
#else
typedef float real;
typedef float2 real2;
typedef float4 real4;
typedef float8 real8;
#endif

#if COPY_VW == 1
typedef real copied;
#elif COPY_VW == 2
typedef real2 copied;
#elif COPY_VW == 4
typedef real4 copied;
#else
typedef real8 copied;
#endif

// Equal shapes whose rows hold whole vectors.
__kernel __attribute__((reqd_work_group_size(COPY_DIMX, COPY_DIMY, 1)))
void CopyMatrixFast(int ld, const __global copied *restrict source, __global copied *target,
                    real alpha)
{
    const int one = get_global_id(0);
#pragma unroll
    for (int i = 0; i < COPY_WPT; i++) {
        const int two = (get_group_id(1) * COPY_WPT + i) * COPY_DIMY + get_local_id(1);
        const int at = two * (ld / COPY_VW) + one;
        target[at] = alpha * source[at];
    }
}

// Copies into a larger matrix, zeros around, or out of one.
#define COPY_BODY(VALUE)                                                                       \
    _Pragma("unroll")                                                                          \
    for (int i = 0; i < PAD_WPTX; i++) {                                                       \
        const int one = (get_group_id(0) * PAD_WPTX + i) * PAD_DIMX + get_local_id(0);         \
        _Pragma("unroll")                                                                      \
        for (int j = 0; j < PAD_WPTY; j++) {                                                   \
            const int two = (get_group_id(1) * PAD_WPTY + j) * PAD_DIMY + get_local_id(1);     \
            if (one < target_one && two < target_two)                                          \
                target[two * target_ld + one + target_offset] = (VALUE);                       \
        }                                                                                      \
    }

__kernel __attribute__((reqd_work_group_size(PAD_DIMX, PAD_DIMY, 1)))
void CopyPadMatrix(int source_one, int source_two, int source_ld, int source_offset,
                   const __global real *restrict source,
                   int target_one, int target_two, int target_ld, int target_offset,
                   __global real *target, real alpha)
{
    COPY_BODY(one < source_one && two < source_two
                  ? alpha * source[two * source_ld + one + source_offset] : (real)0)
}

__kernel __attribute__((reqd_work_group_size(PAD_DIMX, PAD_DIMY, 1)))
void CopyMatrix(int source_one, int source_two, int source_ld, int source_offset,
                const __global real *restrict source,
                int target_one, int target_two, int target_ld, int target_offset,
                __global real *target, real alpha)
{
    COPY_BODY(alpha * source[two * source_ld + one + source_offset])
}

#if TRA_WPT == 1
typedef real strip;
#define LANE(VECTOR, I) (VECTOR)
#elif TRA_WPT == 2
typedef real2 strip;
#define LANE(VECTOR, I) ((I) == 0 ? (VECTOR).s0 : (VECTOR).s1)
#else
typedef real4 strip;
#define LANE(VECTOR, I) \
    ((I) == 0 ? (VECTOR).s0 : (I) == 1 ? (VECTOR).s1 : (I) == 2 ? (VECTOR).s2 : (VECTOR).s3)
#endif

// Square matrices of whole tiles: strips of TRA_WPT are read and written as vectors, turned in
// local memory and in registers. TRA_SHUFFLE spreads neighbouring groups over the memory.
__kernel __attribute__((reqd_work_group_size(TRA_DIM, TRA_DIM, 1)))
void TransposeMatrixFast(int ld, const __global strip *restrict source, __global strip *target,
                         real alpha)
{
    __local strip tile[TRA_WPT * TRA_DIM][TRA_DIM + TRA_PAD];
    const int x = get_local_id(0);
    const int y = get_local_id(1);
#if TRA_SHUFFLE == 1
    const int group_x = (get_group_id(0) + get_group_id(1)) % get_num_groups(0);
    const int group_y = get_group_id(0);
#else
    const int group_x = get_group_id(0);
    const int group_y = get_group_id(1);
#endif
#pragma unroll
    for (int i = 0; i < TRA_WPT; i++) {
        const int row = (group_y * TRA_DIM + y) * TRA_WPT + i;
        tile[y * TRA_WPT + i][x] = source[row * (ld / TRA_WPT) + group_x * TRA_DIM + x];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    strip turned[TRA_WPT];
#pragma unroll
    for (int i = 0; i < TRA_WPT; i++)
        turned[i] = tile[x * TRA_WPT + i][y];
#pragma unroll
    for (int i = 0; i < TRA_WPT; i++) {
#if TRA_WPT == 1
        const strip row = turned[0];
#elif TRA_WPT == 2
        const strip row = (strip)(LANE(turned[0], i), LANE(turned[1], i));
#else
        const strip row = (strip)(LANE(turned[0], i), LANE(turned[1], i),
                                  LANE(turned[2], i), LANE(turned[3], i));
#endif
        const int two = (group_x * TRA_DIM + y) * TRA_WPT + i;
        target[two * (ld / TRA_WPT) + group_y * TRA_DIM + x] = alpha * row;
    }
}

// Any shape: square tiles through local memory; zeros around where the target is larger.
#define SIDE (PADTRA_WPT * PADTRA_TILE)
#define TRANSPOSE_BODY(IS_INSIDE, IS_KEPT)                                                     \
    __local real tile[SIDE * (SIDE + PADTRA_PAD)];                                             \
    const int x = get_local_id(0);                                                             \
    const int y = get_local_id(1);                                                             \
    _Pragma("unroll")                                                                          \
    for (int i = 0; i < PADTRA_WPT; i++) {                                                     \
        _Pragma("unroll")                                                                      \
        for (int j = 0; j < PADTRA_WPT; j++) {                                                 \
            const int one = (get_group_id(1) * PADTRA_WPT + i) * PADTRA_TILE + x;              \
            const int two = (get_group_id(0) * PADTRA_WPT + j) * PADTRA_TILE + y;              \
            real value = 0;                                                                    \
            if (IS_INSIDE)                                                                     \
                value = source[two * source_ld + one + source_offset];                         \
            tile[(y * PADTRA_WPT + j) * (SIDE + PADTRA_PAD) + x * PADTRA_WPT + i] = value;     \
        }                                                                                      \
    }                                                                                          \
    barrier(CLK_LOCAL_MEM_FENCE);                                                              \
    _Pragma("unroll")                                                                          \
    for (int i = 0; i < PADTRA_WPT; i++) {                                                     \
        _Pragma("unroll")                                                                      \
        for (int j = 0; j < PADTRA_WPT; j++) {                                                 \
            const int one = (get_group_id(0) * PADTRA_WPT + i) * PADTRA_TILE + x;              \
            const int two = (get_group_id(1) * PADTRA_WPT + j) * PADTRA_TILE + y;              \
            if (IS_KEPT)                                                                       \
                target[two * target_ld + one + target_offset] =                                \
                    alpha * tile[(x * PADTRA_WPT + i) * (SIDE + PADTRA_PAD)                    \
                                 + y * PADTRA_WPT + j];                                        \
        }                                                                                      \
    }

__kernel __attribute__((reqd_work_group_size(PADTRA_TILE, PADTRA_TILE, 1)))
void TransposePadMatrix(int source_one, int source_two, int source_ld, int source_offset,
                        const __global real *restrict source,
                        int target_one, int target_two, int target_ld, int target_offset,
                        __global real *target, real alpha)
{
    TRANSPOSE_BODY(one < source_one && two < source_two, one < target_one && two < target_two)
}

__kernel __attribute__((reqd_work_group_size(PADTRA_TILE, PADTRA_TILE, 1)))
void TransposeMatrix(int source_one, int source_two, int source_ld, int source_offset,
                     const __global real *restrict source,
                     int target_one, int target_two, int target_ld, int target_offset,
                     __global real *target, real alpha)
{
    TRANSPOSE_BODY(one < source_one && two < source_two, one < target_one && two < target_two)
}
