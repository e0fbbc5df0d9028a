// Dense linear algebra, row-major unless a name says otherwise.

kernel void axpy_strided(int n, float alpha, global const float *x, int step_x, global float *y,
                         int step_y) {
  int i = get_global_id(0);
  if (i < n) y[i * step_y] += alpha * x[i * step_x];
}

kernel void dot_partial(global const float *x, global const float *y, int n,
                        global float *sums, local float *scratch) {
  int lid = get_local_id(0), size = get_local_size(0);
  float sum = 0;
  for (int i = get_global_id(0); i < n; i += get_global_size(0)) sum += x[i] * y[i];
  scratch[lid] = sum;
  for (int half_size = size / 2; half_size > 0; half_size /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < half_size) scratch[lid] += scratch[lid + half_size];
  }
  if (lid == 0) sums[get_group_id(0)] = scratch[0];
}

kernel void nrm2_rows(global const float *a, int columns, global float *norms) {
  global const float *row = a + get_global_id(0) * columns;
  float squares = 0;
  for (int c = 0; c < columns; c++) squares = fma(row[c], row[c], squares);
  norms[get_global_id(0)] = sqrt(squares);
}

kernel void gemv_rows(global const float *a, global const float *x, global float *y, int columns,
                      float alpha, float beta) {
  int r = get_global_id(0);
  float sum = 0;
  for (int c = 0; c < columns; c++) sum += a[r * columns + c] * x[c];
  y[r] = alpha * sum + beta * y[r];
}

kernel void gemv_transposed(global const float *a, global const float *x, global float *y,
                            int rows, int columns) {
  int c = get_global_id(0);
  if (c >= columns) return;
  float sum = 0;
  for (int r = 0; r < rows; r++) sum += a[r * columns + c] * x[r];
  y[c] = sum;
}

kernel void gemm_naive(global const float *a, global const float *b, global float *c, int k) {
  int column = get_global_id(0), row = get_global_id(1), n = get_global_size(0);
  float sum = 0;
  for (int i = 0; i < k; i++) sum += a[row * k + i] * b[i * n + column];
  c[row * n + column] = sum;
}

kernel void gemm_memory_accumulator(global const float *a, global const float *b,
                                    global float *c, int k) {
  int column = get_global_id(0), row = get_global_id(1), n = get_global_size(0);
  c[row * n + column] = 0;
  for (int i = 0; i < k; i++) c[row * n + column] += a[row * k + i] * b[i * n + column];
}

#define TILE 8
kernel __attribute__((reqd_work_group_size(TILE, TILE, 1))) void gemm_tiled(
    global const float *a, global const float *b, global float *c, int m, int n, int k) {
  local float tile_a[TILE][TILE], tile_b[TILE][TILE + 1];
  int lx = get_local_id(0), ly = get_local_id(1);
  int column = get_global_id(0), row = get_global_id(1);
  float sum = 0;
  for (int start = 0; start < k; start += TILE) {
    tile_a[ly][lx] = row < m && start + lx < k ? a[row * k + start + lx] : 0;
    tile_b[ly][lx] = column < n && start + ly < k ? b[(start + ly) * n + column] : 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < TILE; i++) sum += tile_a[ly][i] * tile_b[i][lx];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (row < m && column < n) c[row * n + column] = sum;
}

kernel void gemm_vector4(global const float *a, global const float4 *b, global float4 *c, int k) {
  int quad = get_global_id(0), row = get_global_id(1), quads = get_global_size(0);
  float4 sum = 0;
  for (int i = 0; i < k; i += 4) {
    float4 left = vload4(0, a + row * k + i);
    sum += left.x * b[i * quads + quad];
    sum += left.y * b[(i + 1) * quads + quad];
    sum += left.z * b[(i + 2) * quads + quad];
    sum += left.w * b[(i + 3) * quads + quad];
  }
  c[row * quads + quad] = sum;
}

kernel void gemm_block4x4(global const float *a, global const float *b, global float *c, int n,
                          int k) {
  int column = 4 * get_global_id(0), row = 4 * get_global_id(1);
  float block[4][4];
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) block[i][j] = 0;
  for (int p = 0; p < k; p++) {
    float left[4], right[4];
    for (int i = 0; i < 4; i++) left[i] = a[(row + i) * k + p];
    for (int j = 0; j < 4; j++) right[j] = b[p * n + column + j];
    for (int i = 0; i < 4; i++)
      for (int j = 0; j < 4; j++) block[i][j] = fma(left[i], right[j], block[i][j]);
  }
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) c[(row + i) * n + column + j] = block[i][j];
}

kernel void gemm_a_transposed(global const float *restrict a, global const float *restrict b,
                              global float *restrict c, int m, int n, int k) {
  int column = get_global_id(0), row = get_global_id(1);
  if (column >= n || row >= m) return;
  float even = 0, odd = 0;
  int i = 0;
  for (; i + 1 < k; i += 2) {
    even += a[i * m + row] * b[i * n + column];
    odd += a[(i + 1) * m + row] * b[(i + 1) * n + column];
  }
  if (i < k) even += a[i * m + row] * b[i * n + column];
  c[row * n + column] = even + odd;
}

kernel void gemm_batched(global const float *a, global const float *b, global float *c, int k) {
  int n = get_global_size(0), m = get_global_size(1), batch = get_global_id(2);
  int column = get_global_id(0), row = get_global_id(1);
  a += batch * m * k;
  b += batch * k * n;
  c += batch * m * n;
  float sum = 0;
  for (int i = 0; i < k; i++) sum = mad(a[row * k + i], b[i * n + column], sum);
  c[row * n + column] = sum;
}

kernel void syrk_lower(global const float *a, global float *c, int k) {
  int column = get_global_id(0), row = get_global_id(1), n = get_global_size(0);
  if (column > row) return;
  float sum = 0;
  for (int i = 0; i < k; i++) sum += a[row * k + i] * a[column * k + i];
  c[row * n + column] += sum;
}

kernel void trsv_step(global const float *l, global float *x, int n, int pivot) {
  int row = pivot + 1 + get_global_id(0);
  if (row < n) x[row] -= l[row * n + pivot] * x[pivot];
}

kernel void ger_rank1(global float *a, global const float *x, global const float *y, float alpha) {
  int column = get_global_id(0), row = get_global_id(1), columns = get_global_size(0);
  a[row * columns + column] += alpha * x[row] * y[column];
}

kernel void lu_column(global float *a, int n, int pivot) {
  int row = pivot + 1 + get_global_id(0);
  if (row >= n) return;
  float factor = a[row * n + pivot] / a[pivot * n + pivot];
  a[row * n + pivot] = factor;
  for (int c = pivot + 1; c < n; c++) a[row * n + c] -= factor * a[pivot * n + c];
}

kernel void gemm_double(global const double *a, global const double *b, global double *c, int k) {
  int column = get_global_id(0), row = get_global_id(1), n = get_global_size(0);
  double sum = 0;
  for (int i = 0; i < k; i++) sum = fma(a[row * k + i], b[i * n + column], sum);
  c[row * n + column] = sum;
}
