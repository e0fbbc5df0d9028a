// One kernel per corner of the language that instruction selection has to survive.
typedef struct { int a; float b[4]; short2 c; } S;
kernel void k_struct(S s, global S *p, global float *o) { int i = get_global_id(0); p[i].a = s.a; o[i] = s.b[i & 3] + p[i].c.y; }
kernel void k_private(global float *o, int n) { float t[16]; for (int i = 0; i < 16; i++) t[i] = o[i]; float s = 0; for (int i = 0; i < n; i++) s += t[i & 15]; o[n] = s; }
kernel void k_vecsel(global int4 *a, global float4 *f, global char16 *c, global short8 *h, global uchar3 *u) { int i = get_global_id(0); a[i] = a[i] > 3 ? a[i] : -a[i]; f[i] = select(f[i], -f[i], isgreater(f[i], 1.0f)); c[i] = c[i] + (char16)1; h[i] = max(h[i], (short8)3) << (short8)2; u[i] = u[i] * (uchar3)3; }
kernel void k_shuffle(global float8 *a, global uint4 *m) { a[0] = shuffle(a[0], (uint8)(7,6,5,4,3,2,1,0)); a[1].even = a[2].odd; a[3] = (float8)(a[0].s0, a[1].s7, 1.0f, 2.0f, a[2].lo); a[4] = shuffle2(a[0], a[1], (uint8)(m[0], m[1])); }
kernel void k_atomics(global int *a, local int *l, global uint *u) { int o = atomic_add(a, 1); atomic_max(l, o); u[o] = atomic_cmpxchg(u, 3u, 4u); atomic_inc(a + 1); barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE); a[2] = l[0]; atomic_xchg((volatile global float*)a, 1.0f); }
kernel void k_long(global long *a, global ulong2 *b, long n) { long i = get_global_id(0); a[i] = a[i] % n + (a[i] ^ n) + (n >> 3); b[i] = b[i] * b[i] + (ulong2)(n); a[i+1] = (long)((double)a[i] * 1.5); }
kernel void k_dyn(global float4 *a, int n) { float4 v = a[0]; float *p = (float*)&v; p[n] = 3.0f; a[1] = v; float8 w; w = *(global float8*)a; a[2] = w.hi; }
kernel void k_switch(global int *a, int n) { switch (a[n]) { case 0: a[0]=1; break; case 1: a[1]=7; case 2: a[2]=5; break; case 17: return; default: while (a[n] > 0) a[n]--; } }
kernel void k_empty() { }
kernel void k_inf(global volatile int *a) { while (1) { if (a[0]) break; } }
kernel void k_const(constant float *c, global float *o) { constant float *q = c + 3; o[get_local_id(0)] = q[get_group_id(1)] + c[get_local_size(2)]; }
kernel void k_memcpy(global S *a, global S *b) { S t = a[get_global_id(0)]; t.a++; b[get_global_id(0)] = t; }
kernel void k_half(global half *a, global half8 *b) { b[1] = b[0] * a[0] + (half8)2.0h; vstore_half4((float4)(1,2,3,4), 0, a); a[9] = convert_half(vload_half(3, a)); }
kernel void k_ptrcmp(global float *a, global float *b) { global float *p = a; while (p != b) { *p = 0; p++; } }
kernel void k_async(global float *a, local float *l) { event_t e = async_work_group_copy(l, a, 64, 0); wait_group_events(1, &e); a[get_local_id(0)] = l[63 - get_local_id(0)]; }
kernel void k_phi(global int *a, int n) { int x = 1, y = 2, z = 3; for (int i = 0; i < n; i++) { int t = x; x = y; y = z; z = t + i; } a[0] = x; a[1] = y; a[2] = z; }
