/* One kernel that uses as much of OpenCL C as fits: the compiler must take all of it. */
#define VALUES {1, 2, 3}
typedef struct Pair { int a; short b; float4 v; } Pair;
typedef union { uint u; float f; uchar4 c; } Bits;
typedef enum { RED = 3, GREEN, BLUE = 7 } Colour;
typedef struct { int n; Pair p[2]; } Nest;
__constant int table[3] = VALUES;
__constant float4 vectors[2] = {(float4)(1, 2, 3, 4), (float4)(5)};
__constant char message[] = "hi\n\x01\"";
constant Nest nest = {3, {{1, 2, (float4)(0)}, {2, 3, (float4)(1)}}};
const sampler_t nearest = CLK_NORMALIZED_COORDS_FALSE | CLK_ADDRESS_CLAMP_TO_EDGE |
                          CLK_FILTER_NEAREST;

Pair make(int x, float4 v) {
  Pair p;
  p.a = x;
  p.b = x + 1;
  p.v = v.wzyx;
  return p;
}

Nest deep(Nest n) {
  n.p[n.n & 1] = make(n.n, n.p[0].v);
  return n;
}

static inline float poly(const float x, __constant float *c, int n) {
  float r = 0;
  while (n--) r = r * x + c[n];
  return r;
}

kernel void first(global int *a) { a[get_global_id(0)] = table[a[0] % 3]; }

kernel void language(global Nest *g, global float *f, __constant float *c, int n, half h, ulong s,
                     char ch, ulong ul, read_only image2d_t im, write_only image2d_array_t out,
                     sampler_t sampler, global half *hp, double d, float16 wide, uchar3 u3) {
  local Nest shared[4];
  local float grid[4][8];
  private Nest mine = g[n];
  Bits bits;
  bits.f = f[0] * h + d;
  Colour colour = bits.c.y > 3 ? GREEN : BLUE;
  switch (colour) {
    case RED: f[1] = 1;
    case GREEN: f[2] = poly(f[3], c, n); break;
    case BLUE: f[4] = wide.s7 + wide.hi.lo.x; break;
    default: return;
  }
  shared[get_local_id(0) & 3] = deep(mine);
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  grid[ch & 3][n & 7] = shared[n & 3].p[1].v.x;
  int i = 0;
again:
  if (i++ < n) {
    f[i] += (float)ul;
    if (f[i] > 3) goto again;
  }
  do { f[i] = vectors[i & 1].y; } while (++i < 10);
  float4 q = read_imagef(im, nearest, (int2)(n, i)) + read_imagef(im, sampler, (float2)(n, i));
  uint4 qu = convert_uint4_sat(q);
  int4 qi = as_int4(q) > 0 ? convert_int4(qu) : (int4)(1, 2, 3, 4);
  write_imagef(out, (int4)(n, i, 0, 0), q.s3210 + convert_float4(qi));
  vstore_half4(q, 0, hp);
  hp[9] = h + (half)1.5h;
  global float *p = f + s;
  *p++ = q.x;
  p[-3] = grid[1][2];
  f[20] = isnan(q.x) ? NAN : fmax(q.x, (float)u3.z) + sizeof(Nest) + vec_step(q);
  first((global int *)f);
  printf("%d %s %v4f\n", i, message, q);
  event_t e[2];
  e[0] = async_work_group_copy((local float *)grid, f, 32, 0);
  wait_group_events(1, e);
  f[21] = ((local float *)grid)[n] + nest.p[n & 1].v.z + nest.n;
  atomic_max((volatile global uint *)f, 3u);
  atomic_xor((local int *)grid, 5);
  f[22] = get_global_id(n) + get_work_dim() + get_global_offset(0);
  f[23] = (n > 0 && f[0] > 0 || ch) ? 1 : 0;
  for (int x = 0, y = 5; x < y; x++, y--) {
    if (x == n) continue;
    if (y == n) break;
    f[x * y] = hypot((float)x, (float)y);
  }
}
