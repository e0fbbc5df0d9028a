// Images: samplers as arguments and constants, arrays, formats, borders.

constant sampler_t border = CLK_NORMALIZED_COORDS_FALSE | CLK_ADDRESS_CLAMP | CLK_FILTER_NEAREST;
constant sampler_t edge =
    CLK_NORMALIZED_COORDS_FALSE | CLK_ADDRESS_CLAMP_TO_EDGE | CLK_FILTER_NEAREST;

kernel void image_copy(read_only image2d_t from, write_only image2d_t to) {
  int2 at = (int2)(get_global_id(0), get_global_id(1));
  write_imagef(to, at, read_imagef(from, edge, at));
}

kernel void image_blur(read_only image2d_t from, write_only image2d_t to) {
  int2 at = (int2)(get_global_id(0), get_global_id(1));
  float4 sum = 0;
  for (int dy = -1; dy <= 1; dy++)
    for (int dx = -1; dx <= 1; dx++)
      sum += read_imagef(from, edge, at + (int2)(dx, dy));
  write_imagef(to, at, sum * 0.125f);
}

kernel void image_transpose(read_only image2d_t from, write_only image2d_t to,
                            local uint4 *tile) {
  int2 l = (int2)(get_local_id(0), get_local_id(1));
  int n = get_local_size(0);
  int2 group = (int2)(get_group_id(0), get_group_id(1));
  tile[l.y * n + l.x] = read_imageui(from, border, group * n + l);
  barrier(CLK_LOCAL_MEM_FENCE);
  write_imageui(to, group.yx * n + l, tile[l.x * n + l.y]);
}

kernel void image_sobel(read_only image2d_t from, global float *to, int pitch) {
  int x = get_global_id(0), y = get_global_id(1);
  if (x >= get_image_width(from) || y >= get_image_height(from))
    return;
  float gx = 0, gy = 0;
  for (int d = -1; d <= 1; d++) {
    float w = d == 0 ? 2 : 1;
    gx += w * (read_imagef(from, border, (int2)(x + 1, y + d)).x -
               read_imagef(from, border, (int2)(x - 1, y + d)).x);
    gy += w * (read_imagef(from, border, (int2)(x + d, y + 1)).x -
               read_imagef(from, border, (int2)(x + d, y - 1)).x);
  }
  to[y * pitch + x] = fabs(gx) + fabs(gy);
}

kernel void image_resize(read_only image2d_t from, sampler_t nearest, write_only image2d_t to) {
  int2 at = (int2)(get_global_id(0), get_global_id(1));
  float2 size = convert_float2(get_image_dim(to));
  write_imagef(to, at, read_imagef(from, nearest, (convert_float2(at) + 0.5f) / size));
}

kernel void image_layers(read_only image2d_array_t from, write_only image2d_array_t to) {
  int x = get_global_id(0), y = get_global_id(1), n = get_image_array_size(from);
  int4 sum = 0;
  for (int layer = 0; layer < n; layer++) {
    int4 texel = read_imagei(from, border, (int4)(x, y, layer, 0));
    sum += texel;
    write_imagei(to, (int4)(x, y, n - layer, 0), texel);
  }
  write_imagei(to, (int4)(x, y, 0, 0), sum);
}

kernel void image_im2col(read_only image2d_t from, global float *to, int k, int width) {
  int x = get_global_id(0), y = get_global_id(1), tap = get_global_id(2);
  int2 at = (int2)(x + tap % k - k / 2, y + tap / k - k / 2);
  vstore4(read_imagef(from, border, at), (y * width + x) * k * k + tap, to);
}

kernel void image_repeat(read_only image2d_t from, sampler_t wrap, sampler_t mirror,
                         global float4 *to, int n) {
  int i = get_global_id(0);
  float2 at = (float2)(i * 0.1875f - 2.96875f, 1.53125f - i * 0.0625f);
  to[i] = read_imagef(from, wrap, at);
  to[n + i] = read_imagef(from, mirror, at);
}

kernel void image_saturate(read_only image2d_t from, write_only image2d_t to,
                           write_only image2d_t to_unsigned) {
  int2 at = (int2)(get_global_id(0), get_global_id(1));
  int4 v = read_imagei(from, at);
  write_imagei(to, at, v);
  write_imageui(to_unsigned, at, as_uint4(v));
}

kernel void image_normalised(read_only image2d_t from, write_only image2d_t unorm8,
                             write_only image2d_t snorm8, write_only image2d_t unorm16,
                             write_only image2d_t snorm16, write_only image2d_t halves) {
  int2 at = (int2)(get_global_id(0), get_global_id(1));
  float4 v = read_imagef(from, edge, convert_float2(at) + 0.25f);
  write_imagef(unorm8, at, v);
  write_imagef(snorm8, at, v);
  write_imagef(unorm16, at, v);
  write_imagef(snorm16, at, v);
  write_imagef(halves, at, v);
}

kernel void image_formats(read_only image2d_t bgra, read_only image2d_t halves,
                          read_only image2d_t snorm, global float4 *to) {
  int i = get_global_id(0);
  int2 at = (int2)(i % 4, i / 4);
  to[3 * i] = read_imagef(bgra, edge, at);
  to[3 * i + 1] = read_imagef(halves, edge, at);
  to[3 * i + 2] = read_imagef(snorm, edge, at);
}

kernel void image_channels(read_only image2d_t rg, read_only image2d_t r, read_only image2d_t a,
                           write_only image2d_t ra, global float4 *to) {
  int i = get_global_id(0);
  int2 at = (int2)(i % 4, i / 4);
  float4 alpha = read_imagef(a, edge, at);
  to[3 * i] = read_imagef(rg, edge, at);
  to[3 * i + 1] = read_imagef(r, border, at - 1);
  to[3 * i + 2] = alpha;
  write_imagef(ra, at, (float4)(alpha.w, 1, 1, 0.5f));
}

kernel void image_gather(read_only image2d_t from, global const int2 *places, global uint *to) {
  int i = get_global_id(0);
  to[i] = read_imageui(from, border, places[i]).x;
}
