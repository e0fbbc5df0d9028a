// Add one value per channel to NCHW maps; a fixed number of work-items walks over all of them.

__kernel void add_tensor_kernel_v3(const __global float *restrict bias, __global float *output,
                                   int elements, int plane, int channels)
{
    for (int i = get_global_id(0); i < elements; i += BLOCKS * THREADS)
        output[i] += bias[i / plane % channels];
}
