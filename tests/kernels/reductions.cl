/* Reductions, scans, sorts, histograms: barriers, local memory, atomics. */

__kernel void reduce_sum(__global const float *values, __global float *sums, int n,
                         __local float *scratch)
{
    const int item = get_local_id(0);
    float sum = 0.0f;
    for (int i = get_global_id(0); i < n; i += get_global_size(0))
        sum += values[i];
    scratch[item] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_size = get_local_size(0) / 2; half_size > 0; half_size >>= 1) {
        if (item < half_size)
            scratch[item] += scratch[item + half_size];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (item == 0)
        sums[get_group_id(0)] = scratch[0];
}

/* Inclusive scan of one work-group's elements. */
__kernel void scan_group(__global const int *in, __global int *out, __local int *scratch)
{
    const int item = get_local_id(0);
    scratch[item] = in[get_global_id(0)];
    for (int offset = 1; offset < (int)get_local_size(0); offset *= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        int other = 0;
        if (item >= offset)
            other = scratch[item - offset];
        barrier(CLK_LOCAL_MEM_FENCE);
        scratch[item] += other;
    }
    out[get_global_id(0)] = scratch[item];
}

__kernel void bitonic_step(__global int *values, int stage, int step)
{
    const int i = get_global_id(0);
    const int partner = i ^ step;
    if (partner > i) {
        const int a = values[i], b = values[partner];
        const int ascending = (i & stage) == 0;
        if ((a > b) == ascending) {
            values[i] = b;
            values[partner] = a;
        }
    }
}

/* Counts per group in local memory, then one global atomic per bin. */
__kernel void histogram(__global const uchar *data, __global uint *bins, int n)
{
    __local uint mine[16];
    const int item = get_local_id(0);
    if (item < 16)
        mine[item] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = get_global_id(0); i < n; i += get_global_size(0))
        atomic_inc(&mine[data[i] >> 4]);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < 16)
        atomic_add(&bins[item], mine[item]);
}

/* A barrier under a condition that is the same for the whole group, and one in a loop whose length
 * depends on the group. */
__kernel void uneven_groups(__global int *out, __local int *scratch)
{
    const int item = get_local_id(0);
    const int group = get_group_id(0);
    int sum = item;
    scratch[item] = item;
    for (int round = 0; round < group; ++round) {
        barrier(CLK_LOCAL_MEM_FENCE);
        sum += scratch[(item + round) % get_local_size(0)];
        barrier(CLK_LOCAL_MEM_FENCE);
        scratch[item] = sum;
    }
    if (group % 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        sum += scratch[get_local_size(0) - 1 - item];
    }
    out[get_global_id(0)] = sum;
}
