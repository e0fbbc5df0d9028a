/* Element type (TYPE, and HALF for 16 bits) and vectors of it, shared by all kernels. */
#ifdef HALF
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#define LOWEST_VALUE (-65504.0h)
#else
#define LOWEST_VALUE (-3.402823466e+38f)
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define VEC(n) JOIN(TYPE, n)
#define VLOAD(n) JOIN(vload, n)
#define VSTORE(n) JOIN(vstore, n)

