// Layers of neural networks, image filters, packing.

kernel void softmax_rows(global const float *x, global float *y, int n) {
  global const float *row = x + get_global_id(0) * n;
  float top = row[0], sum = 0;
  for (int i = 1; i < n; i++) top = fmax(top, row[i]);
  for (int i = 0; i < n; i++) sum += exp(row[i] - top);
  for (int i = 0; i < n; i++) y[get_global_id(0) * n + i] = exp(row[i] - top) / sum;
}

kernel void layer_norm(global float *x, int n, float epsilon, local float *parts) {
  int lid = get_local_id(0), size = get_local_size(0);
  global float *row = x + get_group_id(0) * n;
  float sum = 0, squares = 0;
  for (int i = lid; i < n; i += size) {
    sum += row[i];
    squares += row[i] * row[i];
  }
  parts[lid] = sum;
  parts[size + lid] = squares;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (lid == 0) {
    for (int i = 1; i < size; i++) {
      parts[0] += parts[i];
      parts[size] += parts[size + i];
    }
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  float mean = parts[0] / n, variance = parts[size] / n - mean * mean;
  for (int i = lid; i < n; i += size) row[i] = (row[i] - mean) / sqrt(variance + epsilon);
}

kernel void batch_norm(global float4 *x, constant float4 *scale, constant float4 *shift) {
  int channels = get_global_id(0), pixel = get_global_id(1), i = pixel * get_global_size(0);
  x[i + channels] = fma(x[i + channels], scale[channels], shift[channels]);
}

kernel void max_pool(global const float *input, global float *output, int width, int size,
                     int stride) {
  int x = get_global_id(0), y = get_global_id(1);
  float best = -FLT_MAX;
  for (int i = 0; i < size; i++)
    for (int j = 0; j < size; j++)
      best = max(best, input[(y * stride + i) * width + x * stride + j]);
  output[y * get_global_size(0) + x] = best;
}

kernel void average_pool(global const float *input, global float *output, int height, int width) {
  int c = get_global_id(0);
  float sum = 0;
  for (int i = 0; i < height * width; i++) sum += input[c * height * width + i];
  output[c] = sum / (height * width);
}

kernel void activations(global const float *x, global float *y, int n) {
  int i = get_global_id(0);
  float v = x[i];
  y[i] = clamp(v, 0.0f, 6.0f);
  y[n + i] = v > 0 ? v : 0.125f * v;
  y[2 * n + i] = 1 / (1 + exp(-v));
  y[3 * n + i] = tanh(v);
}

kernel void embedding(global const int *tokens, global const float *table, global float *rows,
                      int width) {
  int position = get_global_id(1), i = get_global_id(0);
  rows[position * width + i] = table[tokens[position] * width + i];
}

kernel void quantize(global const float *x, global uchar *q, float scale, int zero) {
  int i = get_global_id(0);
  q[i] = convert_uchar_sat_rte(x[i] / scale + zero);
}

kernel void gemm_int8(global const char *a, global const char *b, global int *c, int k) {
  int column = get_global_id(0), row = get_global_id(1), n = get_global_size(0);
  int sum = 0;
  for (int i = 0; i < k; i += 4) {
    char4 left = vload4(0, a + row * k + i), right = vload4(0, b + column * k + i);
    int4 products = convert_int4(left) * convert_int4(right);
    sum += products.x + products.y + products.z + products.w;
  }
  c[row * n + column] = sum;
}

kernel void requantize(global const int *x, global char *q, int multiplier, int shift) {
  int i = get_global_id(0);
  int scaled = mul_hi(x[i], multiplier) * 2;
  q[i] = convert_char_sat((scaled + (1 << (shift - 1))) >> shift);
}

kernel void box_blur(global const uchar *image, global uchar *blurred, int width, int height) {
  int x = get_global_id(0), y = get_global_id(1), sum = 0, n = 0;
  for (int i = max(y - 1, 0); i <= min(y + 1, height - 1); i++)
    for (int j = max(x - 1, 0); j <= min(x + 1, width - 1); j++, n++) sum += image[i * width + j];
  blurred[y * width + x] = sum / n;
}

kernel void sobel(global const uchar *image, global ushort *edges, int width) {
  int x = get_global_id(0) + 1, y = get_global_id(1) + 1;
  global const uchar *p = image + y * width + x;
  int dx = p[1 - width] + 2 * p[1] + p[1 + width] - p[-1 - width] - 2 * p[-1] - p[width - 1];
  int dy = p[width - 1] + 2 * p[width] + p[width + 1] - p[-1 - width] - 2 * p[-width] - p[1 - width];
  edges[get_global_id(1) * get_global_size(0) + get_global_id(0)] = abs(dx) + abs(dy);
}

kernel void median3x3(global const uchar *image, global uchar *filtered, int width) {
  uchar window[9];
  int x = get_global_id(0), y = get_global_id(1);
  for (int i = 0; i < 9; i++) window[i] = image[(y + i / 3) * width + x + i % 3];
  for (int i = 1; i < 9; i++) {
    uchar value = window[i];
    int j = i;
    for (; j > 0 && window[j - 1] > value; j--) window[j] = window[j - 1];
    window[j] = value;
  }
  filtered[y * get_global_size(0) + x] = window[4];
}

kernel void bilinear(global const float *image, global float *scaled, int width, int height,
                     float step) {
  float fx = get_global_id(0) * step, fy = get_global_id(1) * step;
  int x = fx, y = fy, right = min(x + 1, width - 1), below = min(y + 1, height - 1);
  float ax = fx - x, ay = fy - y;
  float top = mix(image[y * width + x], image[y * width + right], ax);
  float bottom = mix(image[below * width + x], image[below * width + right], ax);
  scaled[get_global_id(1) * get_global_size(0) + get_global_id(0)] = mix(top, bottom, ay);
}

kernel void gray(global const uchar4 *colours, global uchar *grays) {
  uint4 c = convert_uint4(colours[get_global_id(0)]);
  grays[get_global_id(0)] = (77 * c.x + 150 * c.y + 29 * c.z + 128) >> 8;
}

kernel void transpose_naive(global const float *a, global float *b) {
  int x = get_global_id(0), y = get_global_id(1);
  b[x * get_global_size(1) + y] = a[y * get_global_size(0) + x];
}

kernel void transpose_local(global const uint *a, global uint *b, int width, int height) {
  local uint tile[8][9];
  int x = get_local_id(0), y = get_local_id(1), left = get_group_id(0) * 8, top = get_group_id(1) * 8;
  if (left + x < width && top + y < height) tile[y][x] = a[(top + y) * width + left + x];
  barrier(CLK_LOCAL_MEM_FENCE);
  if (top + x < height && left + y < width) b[(left + y) * height + top + x] = tile[x][y];
}

kernel void pack_panels(global const float *a, global float4 *panels, int rows, int columns) {
  int c = get_global_id(0), panel = get_global_id(1);
  float4 v = 0;
  if (4 * panel < rows) v.x = a[4 * panel * columns + c];
  if (4 * panel + 1 < rows) v.y = a[(4 * panel + 1) * columns + c];
  if (4 * panel + 2 < rows) v.z = a[(4 * panel + 2) * columns + c];
  if (4 * panel + 3 < rows) v.w = a[(4 * panel + 3) * columns + c];
  panels[panel * columns + c] = v;
}

kernel void nchw_to_nhwc(global const ushort *from, global ushort *to) {
  int x = get_global_id(0), y = get_global_id(1), c = get_global_id(2);
  int w = get_global_size(0), h = get_global_size(1), n = get_global_size(2);
  to[(y * w + x) * n + c] = from[(c * h + y) * w + x];
}

kernel void pixel_shuffle(global const float *from, global float *to, int scale) {
  int x = get_global_id(0), y = get_global_id(1), w = get_global_size(0) / scale;
  int h = get_global_size(1) / scale, c = y % scale * scale + x % scale;
  to[y * get_global_size(0) + x] = from[(c * h + y / scale) * w + x / scale];
}

kernel void pack_bits(global const float *x, global uint *words) {
  uint word = 0;
  for (int bit = 0; bit < 32; bit++) word |= (uint)(x[get_global_id(0) * 32 + bit] > 0) << bit;
  words[get_global_id(0)] = word;
}
