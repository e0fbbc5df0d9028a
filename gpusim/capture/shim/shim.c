/*
 * The capture shim of gpusim: records what a program asks of OpenCL, and answers as the device
 * that a profile describes. One translation unit; libc is all it needs.
 *
 * The same library is an OPENCL_LAYERS layer of an OpenCL loader, an LD_PRELOAD library for
 * programs and drivers without such a loader, and (linked under that name) a libOpenCL.so to be
 * found instead of the real one.
 *
 * Environment:
 *     GPUSIM_SHIM_OUT           stem of the files to write: STEM.PID.gpraw, STEM.gpblobs/
 *     GPUSIM_SHIM_PROFILE       flat profile to impersonate
 *     GPUSIM_SHIM_DATA          auto, none, hash or full: contents of buffers
 *     GPUSIM_SHIM_DRY           record, don't execute
 *     GPUSIM_SHIM_NO_PROFILING  leave queues as the program made them
 *     GPUSIM_REAL_OPENCL        path of the real library, for the drop-in
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _FILE_OFFSET_BITS 64
#define SHIM_VERSION "1.0"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NO_ID UINT32_MAX
#define PUBLIC __attribute__((visibility("default")))
#if defined(__GLIBC__)
/* A few bytes from the space that the loader keeps for this: reading them costs one load. */
#define THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
#else
#define THREAD_LOCAL __thread
#endif

#pragma GCC visibility push(default)
#include "abi.h"
#pragma GCC visibility pop
#include "api.h"
#include "queries.h"

#include "entry.c"
#include "text.c"
#include "checksum.c"
#include "log.c"
#include "data.c"
#include "objects.c"
#include "profile.c"
#include "core.c"
#include "commands.c"
#include "platform.c"
#include "memory.c"
#include "program.c"
#include "kernel.c"
#include "launch.c"
#include "transfer.c"
#include "route.c"
