// Add one value per channel to NCHW maps.

__kernel void add_tensor_kernel_v3(const __global float *restrict bias, __global float *output,
                                   int elements, int plane, int channels)
{
    const int i = get_global_id(0);
    if (i < elements)
        output[i] += bias[i / plane % channels];
}
