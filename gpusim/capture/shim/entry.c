/*
 * The ways in: an exported stub for every OpenCL call, and a second set for loaders' layers.
 *
 * Each stub jumps through its own word of `gpusim_hop`. That word first leads to
 * `gpusim_resolve`, which keeps the argument registers, asks `gpusim_pick` where the call goes
 * and continues there; `gpusim_pick` then rewrites the word, so the detour is taken once. The
 * stubs need no signatures, hence calls that the shim does not know pass unharmed.
 *
 * Words 0 .. 148 belong to the exported symbols, 149 .. 297 to the layer, then dlopen, dlsym
 * and clImportMemoryARM.
 */
#define HOP_LAYER API_COUNT
#define HOP_DLOPEN 298
#define HOP_DLSYM 299
#define HOP_IMPORT 300
#define HOP_COUNT 301

extern void *gpusim_hop[HOP_COUNT] __attribute__((visibility("hidden")));
void *gpusim_pick(uintptr_t slot, uintptr_t a0, uintptr_t a1)
    __attribute__((visibility("hidden"), used));

#define TEXT(x) #x
#define EXPORTED(name) ".globl " #name "\n"
#define LOCAL(name) ".local " #name "\n"

#if defined(__x86_64__)
#define STUB(scope, slot, name)                                                                    \
    scope(name) ".type " #name ",@function\n" #name ":\n"                                          \
    "  jmp *gpusim_hop+8*(" TEXT(slot) ")(%rip)\n.size " #name ",.-" #name "\n"                    \
    "1: movl $" TEXT(slot) ",%eax\n  jmp gpusim_resolve\n"                                         \
    ".pushsection .data\n .quad 1b\n.popsection\n"
#define RESOLVE                                                                                    \
    "gpusim_resolve:\n"                                                                            \
    "  push %rdi\n  push %rsi\n  push %rdx\n  push %rcx\n  push %r8\n  push %r9\n"                 \
    "  sub $8,%rsp\n"                                                                              \
    "  mov %rsi,%rdx\n  mov %rdi,%rsi\n  mov %eax,%edi\n  call gpusim_pick\n  mov %rax,%r11\n"     \
    "  add $8,%rsp\n"                                                                              \
    "  pop %r9\n  pop %r8\n  pop %rcx\n  pop %rdx\n  pop %rsi\n  pop %rdi\n  jmp *%r11\n"
#define PROLOGUE ""
#elif defined(__aarch64__)
#define STUB(scope, slot, name)                                                                    \
    scope(name) ".type " #name ",%function\n" #name ":\n"                                          \
    "  adrp x16,gpusim_hop+8*(" TEXT(slot) ")\n"                                                   \
    "  ldr x16,[x16,#:lo12:gpusim_hop+8*(" TEXT(slot) ")]\n"                                       \
    "  br x16\n.size " #name ",.-" #name "\n"                                                      \
    "1: mov w17,#(" TEXT(slot) ")\n  b gpusim_resolve\n"                                           \
    ".pushsection .data\n .xword 1b\n.popsection\n"
#define RESOLVE                                                                                    \
    "gpusim_resolve:\n"                                                                            \
    "  stp x29,x30,[sp,#-96]!\n  mov x29,sp\n"                                                     \
    "  stp x0,x1,[sp,#16]\n  stp x2,x3,[sp,#32]\n  stp x4,x5,[sp,#48]\n  stp x6,x7,[sp,#64]\n"     \
    "  str x8,[sp,#80]\n"                                                                          \
    "  mov x2,x1\n  mov x1,x0\n  mov x0,x17\n  bl gpusim_pick\n  mov x16,x0\n"                     \
    "  ldr x8,[sp,#80]\n"                                                                          \
    "  ldp x6,x7,[sp,#64]\n  ldp x4,x5,[sp,#48]\n  ldp x2,x3,[sp,#32]\n  ldp x0,x1,[sp,#16]\n"     \
    "  ldp x29,x30,[sp],#96\n  br x16\n"
#define PROLOGUE ""
#elif defined(__arm__)
#define STUB(scope, slot, name)                                                                    \
    ".balign 4\n" scope(name) ".type " #name ",%function\n" #name ":\n"                            \
    "  ldr ip,2f\n1: add ip,pc,ip\n  ldr pc,[ip]\n"                                                \
    "2: .word gpusim_hop+4*(" TEXT(slot) ")-(1b+8)\n.size " #name ",.-" #name "\n"                 \
    "3: movw ip,#(" TEXT(slot) ")\n  b gpusim_resolve\n"                                           \
    ".pushsection .data\n .word 3b\n.popsection\n"
#define RESOLVE                                                                                    \
    ".balign 4\n.type gpusim_resolve,%function\ngpusim_resolve:\n"                                 \
    "  push {r0-r3,ip,lr}\n"                                                                       \
    "  mov r2,r1\n  mov r1,r0\n  mov r0,ip\n  bl gpusim_pick\n  str r0,[sp,#16]\n"                 \
    "  pop {r0-r3,ip,lr}\n  bx ip\n"
#define PROLOGUE ".syntax unified\n.arch armv7-a\n.arm\n"
#else
#error "the shim has stubs for x86-64, aarch64 and 32-bit arm"
#endif

#define EXPORTED_STUB(slot, name) STUB(EXPORTED, slot, name)
#define WINDOWS_STUB(slot, name) STUB(LOCAL, slot, gpusim_outer_##name)
#define LAYER_STUB(slot, name) STUB(LOCAL, slot + 149, gpusim_layer_##name)

__asm__(".pushsection .data\n.balign 8\n.local gpusim_hop_start\n.hidden gpusim_hop\n"
        ".globl gpusim_hop\ngpusim_hop_start:\ngpusim_hop:\n.popsection\n"
        ".pushsection .text\n" PROLOGUE RESOLVE
        OPENCL_API(EXPORTED_STUB, EXPORTED_STUB, EXPORTED_STUB, WINDOWS_STUB)
        OPENCL_API(LAYER_STUB, LAYER_STUB, LAYER_STUB, LAYER_STUB)
        STUB(EXPORTED, 298, dlopen)
        STUB(EXPORTED, 299, dlsym)
        STUB(EXPORTED, 300, clImportMemoryARM)
        ".popsection\n");

#define DECLARE_LAYER_STUB(slot, name)                                                             \
    extern void gpusim_layer_##name(void) __attribute__((visibility("hidden")));
OPENCL_API(DECLARE_LAYER_STUB, DECLARE_LAYER_STUB, DECLARE_LAYER_STUB, DECLARE_LAYER_STUB)
