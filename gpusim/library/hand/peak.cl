/* Peak rates: a chain of dependent multiply-adds, and streaming reads.
 *
 * TYPE is the scalar type, WIDTH the number of lanes (1, 2, 4, 8, 16). MAD(a, b, c) is a * b + c.
 */
#if HALF
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#if WIDTH == 1
#define VEC TYPE
#define LANES (TYPE)0
#define SUM(v) (v)
#define CHAIN PAIRS_256 PAIRS_256 PAIRS_256 PAIRS_256
#else
#define VEC JOIN(TYPE, WIDTH)
#endif
#if WIDTH == 2
#define LANES (VEC)(0, 1)
#define SUM(v) SUM2(v)
#define CHAIN PAIRS_256 PAIRS_256
#elif WIDTH == 4
#define LANES (VEC)(0, 1, 2, 3)
#define SUM(v) SUM4(v)
#define CHAIN PAIRS_256
#elif WIDTH == 8
#define LANES (VEC)(0, 1, 2, 3, 4, 5, 6, 7)
#define SUM(v) SUM8(v)
#define CHAIN PAIRS_64 PAIRS_64
#elif WIDTH == 16
#define LANES (VEC)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#define SUM(v) (SUM8((v).lo) + SUM8((v).hi))
#define CHAIN PAIRS_64
#endif
#define SUM2(v) ((v).s0 + (v).s1)
#define SUM4(v) (SUM2((v).lo) + SUM2((v).hi))
#define SUM8(v) (SUM4((v).lo) + SUM4((v).hi))

#if IS_INTEGER
#define MAD(a, b, c) ((a) * (b) + (c))
#else
#define MAD(a, b, c) mad(a, b, c)
#endif

/* A pair is 4 * WIDTH operations; every CHAIN makes 4096. */
#define PAIR         \
    x = MAD(y, x, y); \
    y = MAD(x, y, x);
#define PAIRS_4 PAIR PAIR PAIR PAIR
#define PAIRS_16 PAIRS_4 PAIRS_4 PAIRS_4 PAIRS_4
#define PAIRS_64 PAIRS_16 PAIRS_16 PAIRS_16 PAIRS_16
#define PAIRS_256 PAIRS_64 PAIRS_64 PAIRS_64 PAIRS_64

__kernel void peak_compute(__global TYPE *out, const TYPE seed)
{
    VEC x = (VEC)seed + LANES;
    VEC y = (VEC)(TYPE)get_local_id(0);

    CHAIN
    out[get_global_id(0)] = SUM(y);
}

#define READ                \
    sum += source[position]; \
    position += stride;
#define READ_4 READ READ READ READ

/* 16 reads, a work-group's size apart: a work-group reads one contiguous piece. */
__kernel void peak_read_local_stride(__global const VEC *source, __global TYPE *out)
{
    size_t position = get_group_id(0) * get_local_size(0) * 16 + get_local_id(0);
    const size_t stride = get_local_size(0);
    VEC sum = 0;

    READ_4 READ_4 READ_4 READ_4
    out[get_global_id(0)] = SUM(sum);
}

/* 16 reads, the whole NDRange apart. */
__kernel void peak_read_global_stride(__global const VEC *source, __global TYPE *out)
{
    size_t position = get_global_id(0);
    const size_t stride = get_global_size(0);
    VEC sum = 0;

    READ_4 READ_4 READ_4 READ_4
    out[get_global_id(0)] = SUM(sum);
}
