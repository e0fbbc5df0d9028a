// Sparse linear algebra: compressed rows (CSR), padded rows (ELL), coordinates (COO).

kernel void spmv_csr_scalar(global const int *starts, global const int *columns,
                            global const float *values, global const float *x, global float *y,
                            int rows) {
  int row = get_global_id(0);
  if (row >= rows) return;
  float sum = 0;
  for (int i = starts[row]; i < starts[row + 1]; i++) sum += values[i] * x[columns[i]];
  y[row] = sum;
}

kernel void spmv_csr_group(global const int *starts, global const int *columns,
                           global const float *values, global const float *x, global float *y) {
  local float parts[16];
  int row = get_group_id(0), lane = get_local_id(0);
  float sum = 0;
  for (int i = starts[row] + lane; i < starts[row + 1]; i += 16) sum += values[i] * x[columns[i]];
  parts[lane] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (lane < 4) parts[lane] += parts[lane + 4] + parts[lane + 8] + parts[lane + 12];
  barrier(CLK_LOCAL_MEM_FENCE);
  if (lane == 0) y[row] = parts[0] + parts[1] + parts[2] + parts[3];
}

kernel void spmv_ell(global const int *columns, global const float *values,
                     global const float *x, global float *y, int width) {
  int row = get_global_id(0), rows = get_global_size(0);
  float sum = 0;
  for (int slot = 0; slot < width; slot++) {
    int column = columns[slot * rows + row];
    if (column < 0) break;
    sum += values[slot * rows + row] * x[column];
  }
  y[row] = sum;
}

kernel void spmv_coo_fixed(global const int *rows, global const int *columns,
                           global const int *values, global const int *x,
                           volatile global int *y, int entries) {
  int i = get_global_id(0);
  if (i < entries) atomic_add(&y[rows[i]], values[i] * x[columns[i]]);
}

kernel void jacobi_csr(global const int *starts, global const int *columns,
                       global const float *values, global const float *b,
                       global const float *x, global float *next) {
  int row = get_global_id(0);
  float diagonal = 1, rest = 0;
  for (int i = starts[row], end = starts[row + 1]; i < end; i++) {
    if (columns[i] == row)
      diagonal = values[i];
    else
      rest += values[i] * x[columns[i]];
  }
  next[row] = (b[row] - rest) / diagonal;
}

kernel void csr_count_columns(global const int *columns, volatile global uint *counts,
                              int entries) {
  for (int i = get_global_id(0); i < entries; i += get_global_size(0))
    atomic_inc(counts + columns[i]);
}

kernel void csr_row_maximum(global const int *starts, global const float *values,
                            global float *maxima, global int *where) {
  int row = get_global_id(0);
  float best = -INFINITY;
  int found = -1;
  for (int i = starts[row]; i < starts[row + 1]; i++)
    if (values[i] > best) {
      best = values[i];
      found = i;
    }
  maxima[row] = best;
  where[row] = found;
}
