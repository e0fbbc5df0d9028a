// Half precision arithmetic, which PoCL and Oclgrind do not have.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

kernel void half_axpy(global const half *x, global half *y, float alpha) {
#pragma OPENCL FP_CONTRACT OFF
  int i = get_global_id(0);
  half a = alpha;
  y[i] = a * x[i] + y[i];
}

kernel void half_fma4(global const half4 *x, global const half4 *y, global half4 *z) {
  int i = get_global_id(0);
  z[i] = fma(x[i], y[i], z[i]);
}
