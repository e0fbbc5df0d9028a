/* The sum of n floats, one partial sum a work-group.
 *
 * A work-item first adds up every element that is a whole number of grids away from its own, then
 * the work-group halves its partial sums in local memory until one is left. The local size is a
 * power of two.
 */
__kernel void reduce_sum(__global const float *values, __global float *sums, uint n,
                         __local float *scratch)
{
    const uint item = get_local_id(0);
    float sum = 0.0f;

    for (uint i = get_global_id(0); i < n; i += get_global_size(0))
        sum += values[i];
    scratch[item] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);

    for (uint half_size = get_local_size(0) / 2; half_size > 0; half_size /= 2) {
        if (item < half_size)
            scratch[item] += scratch[item + half_size];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (item == 0)
        sums[get_group_id(0)] = scratch[0];
}
