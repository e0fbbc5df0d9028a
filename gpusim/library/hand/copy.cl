/* One element (a scalar or a vector) copied per work-item. */
#if HALF
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#endif

__kernel void copy_elements(__global const ELEMENT *source, __global ELEMENT *target)
{
    const size_t i = get_global_id(0);
    target[i] = source[i];
}
